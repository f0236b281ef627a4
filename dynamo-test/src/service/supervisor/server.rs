use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::spec::{ServerSpec, Source};
use super::super::tail::Tail;
use super::super::wire::{Command, ServerError};
#[cfg(feature = "containers")]
use super::container::Containers;
use super::process::ServerProcess;
use super::reaper::Reaper;

/// A server that was started, wherever it runs. What is asked of it may come from several threads at once.
pub(super) trait Server: Send + Sync {
    /// Where it listens: `host:port`.
    fn authority(&self) -> String;

    /// Where it keeps its data, if that can be seen from here.
    fn folder(&self) -> Option<&Path>;

    /// How it ended; none if it has not within this time.
    fn ended(&self, within: Duration) -> Option<String>;

    /// Its last lines.
    fn tail(&self) -> Tail;

    /// Of a group of servers, these: each can be disturbed by itself.
    fn group(&self) -> &[Box<dyn Server>] {
        &[]
    }

    /// Does something to it, and returns when it is done.
    fn command(&self, command: Command) -> Result<(), ServerError>;

    /// Has it stand still, or go on, together with the run; no fault, and none ends by it.
    fn suspend(&self, suspended: bool);

    /// Ends it for good, and removes what it leaves.
    fn stop(&self);
}

/// Where a server starts, and under what terms.
pub(super) struct Surroundings {
    /// A folder of its own, which exists.
    pub(super) folder: PathBuf,
    /// How long it may take to start.
    pub(super) within: Duration,
    pub(super) reaper: Arc<Reaper>,
    #[cfg(feature = "containers")]
    pub(super) containers: Arc<Containers>,
}

/// Starts a server; returns when it is where it says, which need not mean that it is ready for use.
pub(super) fn start(
    spec: &ServerSpec,
    surroundings: Surroundings,
) -> Result<Box<dyn Server>, ServerError> {
    match &spec.source {
        Source::Process(process) => ServerProcess::start(&spec.name, process, surroundings)
            .map(|server| Box::new(server) as _),
        #[cfg(feature = "containers")]
        Source::Container(container) => {
            let containers = Arc::clone(&surroundings.containers);
            containers
                .start(&spec.name, container, &surroundings)
                .map(|server| Box::new(server) as _)
        }
    }
}
