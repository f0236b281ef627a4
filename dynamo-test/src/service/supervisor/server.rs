use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::super::proxy::Endpoint;
use super::super::tail::Tail;
use super::super::wire::{Command, ServerError};
use super::reaper::Reaper;

/// A server that was started, wherever it runs. What is asked of it may come from several threads at once.
pub(super) trait Server: Send + Sync {
    /// What messages call it.
    fn name(&self) -> &str;

    /// Where it listens: `host:port`.
    fn authority(&self) -> String;

    /// Where a relay finds it, if it can.
    fn endpoint(&self) -> Option<Endpoint> {
        self.authority().to_socket_addrs().ok()?.next().map(Endpoint::Tcp)
    }

    /// Where it keeps its data, if that can be seen from here.
    fn folder(&self) -> Option<&Path>;

    /// How it ended; none if it has not within this time.
    fn ended(&self, within: Duration) -> Option<String>;

    /// Its last lines.
    fn tail(&self) -> Tail;

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
}
