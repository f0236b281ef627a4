use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::ServiceError;
#[cfg(feature = "containers")]
use super::spec::ContainerSpec;
use super::spec::{Mode, PeerSpec, ProcessSpec};

/// What is known of a service: how a server is started, and how one is used.
pub(crate) trait Kind: Sync {
    /// One word for it, unique among the services.
    fn name(&self) -> &'static str;

    /// The environment variable in which code under test looks for the server.
    fn variable(&self) -> &'static str;

    /// What messages call a server: `nats-server`.
    fn server(&self) -> &'static str;

    /// What the configuration is called by which its servers differ from the usual ones, if they do.
    fn configuration(&self) -> Option<&'static str> {
        None
    }

    /// Of servers that several cases use at once, into how many parts one falls that can be wiped by themselves.
    fn parts(&self) -> Option<u32> {
        None
    }

    /// Whether a wipe gets at all that a case may leave. A server of which it does not is used by one case alone.
    fn can_be_wiped(&self) -> bool {
        true
    }

    /// What it takes to start a server as a process: by the program that was named, or else by the one that is found.
    fn process(&self, named: Option<&Path>) -> Result<ProcessSpec, ServiceError>;

    /// What it takes to start the members of a cluster as processes, if the service can be had so.
    fn cluster(&self, _named: Option<&Path>) -> Result<Option<Vec<PeerSpec>>, ServiceError> {
        Ok(None)
    }

    /// What it takes to start a server in a container of the official image, if the service can be had so.
    #[cfg(feature = "containers")]
    fn container(&self) -> Option<ContainerSpec> {
        None
    }

    /// The variable that names another image.
    #[cfg(feature = "containers")]
    fn image_variable(&self) -> String {
        format!("DYNAMO_TEST_{}_IMAGE", self.name().to_uppercase())
    }

    /// How somebody else's server is named; none if there is only what the harness starts.
    fn external(&self) -> Option<ExternalNames> {
        None
    }

    /// The address that clients are given of a server, or of a part of it, that listens on `authority` (`host:port`, of
    /// a cluster one for each member, separated by commas).
    fn url(&self, authority: &str, part: Option<u32>) -> String;

    /// The variables in which code under test looks for a server at `url`, whose clients may need a file to get in.
    fn environment(&self, url: &str, credentials: Option<&Path>) -> Vec<(&'static str, String)> {
        let _ = credentials;
        vec![(self.variable(), url.to_owned())]
    }

    /// What the names begin with that are one case's in a server which others use at the same time.
    fn prefix(&self, run: &str, case: &str) -> String {
        format!("dynamo-test-{run}-{case}")
    }

    /// Sees whether a server that was just started is ready for use; it is asked again if it is not.
    fn check(&self, server: &Located<'_>, within: Duration) -> Result<(), Unready>;

    /// Removes everything that earlier cases left in a server, or in the part of it that the URL leads to; the error
    /// says what is in the way.
    fn wipe(&self, server: &Located<'_>, within: Duration) -> Result<(), String>;

    /// Has all leases that a server has granted run out, if it knows such a thing.
    fn expire_leases(&self, server: &Located<'_>, within: Duration) -> Result<(), String> {
        let _ = (server, within);
        Err(format!("{} grants no leases that could run out", self.server()))
    }

    /// Removes what has names that begin so from a server that others use, too.
    fn clear(&self, server: &Located<'_>, prefix: &str, within: Duration) -> Result<(), String> {
        let _ = (server, prefix, within);
        Ok(())
    }
}

/// Why a server is not ready for use.
#[derive(Debug)]
pub(crate) enum Unready {
    /// It may be a little later.
    NotYet(String),
    /// It never will be, nor any other like it.
    #[cfg_attr(
        not(feature = "nats"),
        allow(dead_code, reason = "only NATS is refused for its version")
    )]
    Never(ServiceError),
}

/// How somebody else's server is named.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExternalNames {
    /// The variable that holds its address.
    pub(crate) variable: &'static str,
    /// Where it listens if its address does not say.
    pub(crate) default_port: u16,
    /// The variables that name files which its clients need.
    pub(crate) credentials: Option<&'static str>,
    pub(crate) ca_certificate: Option<&'static str>,
}

/// A server, as it is reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located<'a> {
    /// Where it listens: `host:port`, of a cluster one for each member, separated by commas.
    pub(crate) authority: &'a str,
    /// The address that clients are given; holds the user and password, if it takes any.
    pub(crate) url: &'a str,
    /// Where it keeps its data, if that can be seen from here.
    pub(crate) folder: Option<&'a Path>,
}

/// A server that a case wants.
#[derive(Clone, Copy)]
pub struct Want {
    pub(crate) kind: &'static dyn Kind,
    pub(crate) mode: Mode,
}

impl Want {
    /// Tells it from other wants: `nats`, `nats:dedicated`, `nats:shared:my_crate::Small`.
    pub(crate) fn key(&self) -> String {
        let name = self.kind.name();
        let mode = match (self.mode, self.kind.configuration()) {
            (Mode::Exclusive, None) => return name.into(),
            (Mode::Exclusive, Some(_)) => "exclusive",
            (Mode::Shared, _) => "shared",
            (Mode::Dedicated, _) => "dedicated",
            (Mode::Cluster, _) => "cluster",
        };
        match self.kind.configuration() {
            Some(configuration) => format!("{name}:{mode}:{configuration}"),
            None => format!("{name}:{mode}"),
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
