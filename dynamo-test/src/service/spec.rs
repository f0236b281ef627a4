//! What the supervisor is told of a server: data alone. It knows no service; how a server is probed, wiped and talked
//! to is known to the process that leases it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What it takes to start a server. Servers of equal specs are as good as each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ServerSpec {
    /// What messages call it, and its folder: `nats-server`.
    pub(crate) name: String,
    pub(crate) source: Source,
}

/// Where a server comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    Process(ProcessSpec),
    #[cfg(feature = "containers")]
    Container(ContainerSpec),
}

/// A program that serves, started in a folder of its own.
///
/// `{port}` in its arguments, in the values of its variables and in its files stands for the port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ProcessSpec {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// Variables that it does not inherit: how their names begin.
    pub(crate) without: Vec<String>,
    /// Variables that it gets.
    pub(crate) environment: Vec<(String, String)>,
    /// What lies in its folder when it starts: relative paths, and texts.
    pub(crate) files: Vec<(PathBuf, String)>,
    pub(crate) port: Port,
}

/// A server in a container, where it also keeps its data.
#[cfg(feature = "containers")]
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ContainerSpec {
    /// The image, as `docker run` takes it: `nats:2.11`.
    pub(crate) image: String,
    /// The variable that names another image.
    pub(crate) variable: String,
    /// What follows the image's entry point.
    pub(crate) command: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// What lies in there when it starts: paths, and texts.
    pub(crate) files: Vec<(String, String)>,
    /// The TCP port on which it serves in there.
    pub(crate) port: u16,
}

/// How it is found out on which port of 127.0.0.1 a program serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Port {
    /// It chooses one, and then serves, as a line of its log tells.
    Announced {
        /// What asks it to choose, in place of `{port}`.
        any: String,
        /// What the line contains.
        line: String,
        /// What stands right before the port in it.
        before: String,
    },
    /// It is given a free one. When it serves there is for whoever leases it to see.
    Assigned,
}

/// How much of a server a lease is the right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All of one that others have used, and will use again.
    Exclusive,
    /// A part of one that others use at the same time.
    Shared,
    /// All of a fresh one that nobody else ever uses: it may be stopped, killed and restarted.
    Dedicated,
}
