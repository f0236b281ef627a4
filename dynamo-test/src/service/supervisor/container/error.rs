use std::env;
use std::error::Error;
use std::io;

use serde::{Deserialize, Serialize};
use testcontainers::TestcontainersError;
use testcontainers::bollard;
use testcontainers::core::error::ClientError;

/// Why the engine gives no container.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EngineError {
    #[error(
        "no Docker engine answers at {address} ({error}): start it, name another in $DOCKER_HOST, or do without \
         (`--services process`)"
    )]
    NoEngine { address: String, error: String },
    #[error(
        "the Docker engine at {address} is not for this user to use (permission denied): join the group that owns \
         the socket (`sudo usermod -aG docker $USER`, then log in again), name an engine of your own in \
         $DOCKER_HOST, or do without (`--services process`)"
    )]
    NoPermission { address: String },
    #[error(
        "the engine has no image {image}, and none could be pulled ({error}): `docker pull {image}` where there is a \
         network, or name another image in ${variable}"
    )]
    NoImage { image: String, error: String, variable: String },
    #[error("no container of {image} could be started: {error}")]
    NotStarted { image: String, error: String },
}

/// Where the engine is looked for.
pub(super) fn engine_address() -> String {
    let named = env::var("DOCKER_HOST").ok().filter(|address| !address.is_empty());
    named.unwrap_or_else(|| "unix:///var/run/docker.sock".into())
}

impl EngineError {
    /// What it means that the engine could not even be asked.
    pub(super) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        let address = engine_address();
        let denied = causes(error)
            .filter_map(|cause| cause.downcast_ref::<io::Error>())
            .any(|cause| cause.kind() == io::ErrorKind::PermissionDenied);
        if denied {
            return Self::NoPermission { address };
        }
        // The first of the causes tells what was done, the last what is wrong.
        let error = causes(error).last().map(ToString::to_string).unwrap_or_default();
        Self::NoEngine { address, error }
    }
}

/// An error and what caused it, to the root.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The engine's own words, without those of the libraries around it.
pub(super) fn reason(error: &TestcontainersError) -> String {
    match engine_says(error) {
        Some(message) => message.to_owned(),
        None => causes(error).last().map(ToString::to_string).unwrap_or_default(),
    }
}

/// What the engine answered, if it did.
fn engine_says(error: &TestcontainersError) -> Option<&str> {
    let TestcontainersError::Client(error) = error else { return None };
    let error = match error {
        ClientError::Init(error)
        | ClientError::PullImage { err: error, .. }
        | ClientError::CreateContainer(error)
        | ClientError::StartContainer(error) => error,
        _ => return None,
    };
    match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => Some(message),
        bollard::errors::Error::DockerStreamError { error } => Some(error),
        _ => None,
    }
}

/// Whether it failed because the port on this machine is somebody else's.
pub(super) fn is_port_taken(error: &TestcontainersError) -> bool {
    engine_says(error).is_some_and(|message| {
        message.contains("port is already allocated") || message.contains("address already in use")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    fn refused(message: &str) -> TestcontainersError {
        let answer = bollard::errors::Error::DockerResponseServerError {
            status_code: 500,
            message: message.into(),
        };
        TestcontainersError::Client(ClientError::StartContainer(answer))
    }

    #[dynamo_test]
    fn a_port_that_is_taken_is_told_from_what_another_port_would_not_mend() {
        // By another process, and by another container, in the engine's words.
        for taken in [
            "driver failed programming external connectivity on endpoint a (b): Error starting userland proxy: listen \
             tcp4 127.0.0.1:20000: bind: address already in use",
            "driver failed programming external connectivity on endpoint a (b): Bind for 127.0.0.1:20000 failed: port \
             is already allocated",
        ] {
            assert!(is_port_taken(&refused(taken)), "{taken}");
        }
        assert!(!is_port_taken(&refused("exec: \"etcd\": executable file not found in $PATH")));
    }
}
