//! Services: real servers that a case talks to, started at first need, leased to one case at a time, wiped before
//! each, and gone when the run is.

#[cfg(feature = "etcd")]
mod etcd;
mod folders;
#[cfg(feature = "etcd")]
mod grpc;
mod locate;
#[cfg(feature = "nats")]
mod nats;
mod pool;
mod process;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use pool::{Lease, Pool};

use crate::fixture::Service;
use process::{Server, Tail};

/// Why a service cannot be given to a case. An error of the environment, never of the test.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error(
        "no {program} found (looked in PATH and ${variable}): {install}, or name the program in ${variable}"
    )]
    NotFound { program: &'static str, variable: &'static str, install: &'static str },
    #[error("{program} could not be started from {}: {error}", path.display())]
    NotStarted { program: &'static str, path: PathBuf, error: String },
    #[error("no folder for {program} could be made at {}: {error} (TMPDIR names another place)", path.display())]
    NoFolder { program: &'static str, path: PathBuf, error: String },
    #[error("{program} ended before it was ready ({status}); its last lines:\n{tail}")]
    EndedEarly { program: &'static str, status: String, tail: Tail },
    #[error(
        "{program} ({}) was not ready within {} s ($DYNAMO_TEST_SERVICE_TIMEOUT); its last lines:\n{tail}",
        path.display(), timeout.as_secs_f64()
    )]
    NotReady { program: &'static str, path: PathBuf, timeout: Duration, tail: Tail },
    #[cfg(feature = "nats")]
    #[error("{program} {} is version {found}, {needed} or newer is needed: {install}", path.display())]
    TooOld {
        program: &'static str,
        path: PathBuf,
        found: String,
        needed: &'static str,
        install: &'static str,
    },
    #[error("{program} could not be wiped: {reason}; its last lines:\n{tail}")]
    NotWiped { program: &'static str, reason: String, tail: Tail },
    #[error("{program} died while the case ran ({status}); its last lines:\n{tail}")]
    Died { program: &'static str, status: String, tail: Tail },
    #[error("dynamo-test was built without its feature `{feature}`")]
    #[cfg_attr(
        all(feature = "nats", feature = "etcd"),
        expect(dead_code, reason = "both are built in")
    )]
    NotBuiltIn { feature: &'static str },
}

/// A program that serves, in this folder, under these terms.
struct Launch<'a> {
    folder: &'a Path,
    timeout: Duration,
}

impl Service {
    /// Starts a server.
    fn start(self, launch: &Launch<'_>) -> Result<Server, ServiceError> {
        match self {
            #[cfg(feature = "nats")]
            Self::Nats => nats::start(launch),
            #[cfg(feature = "etcd")]
            Self::Etcd => etcd::start(launch),
            #[cfg(not(all(feature = "nats", feature = "etcd")))]
            _ => Err(ServiceError::NotBuiltIn { feature: self.name() }),
        }
    }

    /// Removes everything that earlier cases left in a server.
    fn wipe(self, server: &Server, timeout: Duration) -> Result<(), ServiceError> {
        let wiped: Result<(), String> = match self {
            #[cfg(feature = "nats")]
            Self::Nats => nats::wipe(server, timeout),
            #[cfg(feature = "etcd")]
            Self::Etcd => etcd::wipe(server.authority(), timeout),
            #[cfg(not(all(feature = "nats", feature = "etcd")))]
            _ => Ok(()),
        };
        wiped.map_err(|reason| ServiceError::NotWiped {
            program: server.program(),
            reason,
            tail: server.tail(),
        })
    }

    /// The address that clients are given.
    fn address(self, server: &Server) -> String {
        let scheme = match self {
            Self::Nats => "nats",
            Self::Etcd => "http",
        };
        format!("{scheme}://{}", server.authority())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Nats => "nats",
            Self::Etcd => "etcd",
        }
    }
}
