//! What the supervisor is told of a server: data alone. It knows no service; how a server is probed, wiped and talked
//! to is known to the process that leases it.

use std::fmt::Display;
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
    Group(Vec<PeerSpec>),
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

impl ProcessSpec {
    /// The same with a port, or a word for one, in all places that stand for it.
    pub(crate) fn with_port(&self, port: impl Display) -> Self {
        let port = port.to_string();
        let with_port = |text: &String| text.replace("{port}", &port);
        let named = |(name, text): &(String, String)| (name.clone(), with_port(text));
        let file = |(path, text): &(PathBuf, String)| (path.clone(), with_port(text));
        Self {
            arguments: self.arguments.iter().map(with_port).collect(),
            environment: self.environment.iter().map(named).collect(),
            files: self.files.iter().map(file).collect(),
            ..self.clone()
        }
    }
}

/// One server of a group: a program that reaches the others, and is reached by them and by clients, through unix
/// sockets in its folder alone. So there is no way between two of them that cannot be cut.
///
/// `{port}` stands for the port of 127.0.0.1 where its clients come in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct PeerSpec {
    /// What messages call it, and its folder: `etcd-member-0`.
    pub(crate) name: String,
    pub(crate) process: ProcessSpec,
    /// The name of the socket on which it listens for the others. In the folder of each of them, the socket of that name
    /// leads there.
    pub(crate) socket: String,
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

/// How it is found out where a program serves: on which port of 127.0.0.1, as a rule.
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
    /// It has none: it listens on a unix socket in its folder.
    Socket {
        /// The socket's name.
        name: String,
        /// What a line of its log contains once it listens.
        line: String,
    },
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
    /// All of a fresh group of them that nobody else ever uses: each may be stopped, killed and restarted by itself.
    Cluster,
}

impl Mode {
    /// Whether nobody else ever uses what is leased.
    pub(crate) fn is_for_one(self) -> bool {
        matches!(self, Self::Dedicated | Self::Cluster)
    }
}
