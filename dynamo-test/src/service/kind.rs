use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::ServiceError;
use super::spec::{Mode, ProcessSpec};

/// What is known of a service: how a server is started, and how one is used.
pub(crate) trait Kind: Sync {
    /// One word for it, unique among the services.
    fn name(&self) -> &'static str;

    /// The environment variable in which code under test looks for the server.
    fn variable(&self) -> &'static str;

    /// What messages call a server: `nats-server`.
    fn server(&self) -> &'static str;

    /// What it takes to start a server as a process: by the program that was named, or else by the one that is found.
    fn process(&self, named: Option<&Path>) -> Result<ProcessSpec, ServiceError>;

    /// The variable that names a server that runs already.
    fn external_variable(&self) -> String {
        format!("DYNAMO_TEST_{}_URL", self.name().to_uppercase())
    }

    /// Where such a server listens if its address does not say.
    fn default_port(&self) -> u16;

    /// The address that clients are given of a server that listens on `authority` (`host:port`).
    fn url(&self, authority: &str) -> String;

    /// Waits until a server that was just started is ready for use, and sees whether it is of use at all.
    fn check(&self, server: &Located<'_>, within: Duration) -> Result<(), ServiceError>;

    /// Removes everything that earlier cases left in a server; the error says what is in the way.
    fn wipe(&self, server: &Located<'_>, within: Duration) -> Result<(), String>;
}

/// A server, as it is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located<'a> {
    /// Where it listens: `host:port`.
    pub(crate) authority: &'a str,
    /// The address that clients are given; holds the user and password, if it takes any.
    pub(crate) url: &'a str,
    /// Where it keeps its data, if that can be seen from here.
    pub(crate) folder: Option<&'a Path>,
}

/// A server that a case wants.
#[derive(Clone, Copy)]
pub(crate) struct Want {
    pub(crate) kind: &'static dyn Kind,
    pub(crate) mode: Mode,
}

impl Want {
    /// Tells it from other wants: `nats`, `nats:dedicated`.
    pub(crate) fn key(&self) -> String {
        let name = self.kind.name();
        match self.mode {
            Mode::Exclusive => name.into(),
            Mode::Shared => format!("{name}:shared"),
            Mode::Dedicated => format!("{name}:dedicated"),
        }
    }
}

impl fmt::Debug for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

impl PartialEq for Want {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Want {}
