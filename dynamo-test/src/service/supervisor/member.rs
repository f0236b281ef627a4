use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::fault::Fault;
use super::super::wire::{Command, ServerError, Status};
use super::front::Front;
use super::server::Server;

/// What a lease is of: a server, or a group of them, with what is known of its use.
pub(super) struct Member {
    server: Box<dyn Server>,
    /// The ways to the servers, where these are to be disturbed.
    fronts: Vec<Front>,
    /// Whether somebody has used it, and left it well.
    served: AtomicBool,
    /// Whether something was done to it that the next user shall not suffer from.
    tampered: AtomicBool,
    /// Whether a server of it was told to end, and was not started again.
    told_to_end: AtomicBool,
}

impl Member {
    pub(super) fn new(server: Box<dyn Server>) -> Self {
        Self {
            server,
            fronts: Vec::new(),
            served: AtomicBool::new(false),
            tampered: AtomicBool::new(false),
            told_to_end: AtomicBool::new(false),
        }
    }

    /// One whose servers are reached by ways that can be made bad ones.
    pub(super) fn with_fronts(mut self, seed: u64) -> io::Result<Self> {
        let servers = servers(&*self.server);
        let fronts = servers.iter().map(|server| Front::open(&server.authority(), seed));
        self.fronts = fronts.collect::<io::Result<_>>()?;
        Ok(self)
    }

    /// Where clients reach it: `host:port`, of a group one for each server, separated by commas.
    pub(super) fn authority(&self) -> String {
        let fronts: Vec<String> = self.fronts.iter().map(Front::authority).collect();
        if fronts.is_empty() { self.server.authority() } else { fronts.join(",") }
    }

    pub(super) fn folder(&self) -> Option<&Path> {
        self.server.folder()
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.server.ended(Duration::ZERO).is_some()
    }

    /// Whether it is as good as another.
    pub(super) fn is_well(&self) -> bool {
        !self.tampered.load(Ordering::Acquire) && !self.has_ended()
    }

    /// Whether somebody has used it, and left it well.
    pub(super) fn has_served(&self) -> bool {
        self.served.load(Ordering::Acquire)
    }

    /// Notes that somebody has.
    pub(super) fn serves(&self) {
        self.served.store(true, Ordering::Release);
    }

    /// Has it end with its lease.
    pub(super) fn discard(&self) {
        self.tampered.store(true, Ordering::Release);
    }

    pub(super) fn status(&self, within: Duration) -> Status {
        Status {
            ended: self.server.ended(within),
            tail: self.server.tail(),
            told_to_end: self.told_to_end.load(Ordering::Acquire),
        }
    }

    /// Does something to one of its servers.
    pub(super) fn command(&self, which: usize, command: Command) -> Result<(), ServerError> {
        self.discard();
        let server = self.server(which)?;
        let front = self.fronts.get(which);
        if matches!(command, Command::Pause | Command::Resume) {
            return server.command(command);
        }
        // Before it ends: whoever sees the end sees the reason, and nobody connects to what is not there.
        self.told_to_end.store(true, Ordering::Release);
        let result = server.command(command);
        let authority = server.authority();
        if let Some(front) = front {
            front.lead_to(runs(server).then_some(&*authority));
        }
        let all_run = servers(&*self.server).iter().all(|server| runs(*server));
        self.told_to_end.store(!all_run, Ordering::Release);
        result
    }

    /// Has a fault befall one of its servers.
    pub(super) fn inflict(&self, which: usize, fault: Fault) -> Result<(), ServerError> {
        match fault {
            Fault::Pause => self.command(which, Command::Pause),
            Fault::Kill => self.command(which, Command::Kill),
            Fault::Stop => self.command(which, Command::Terminate),
            Fault::Partition { .. }
            | Fault::Latency { .. }
            | Fault::Bandwidth { .. }
            | Fault::Refuse
            | Fault::Reset => {
                self.discard();
                self.fronts.get(which).ok_or(ServerError::NoFront)?.inflict(fault);
                Ok(())
            }
        }
    }

    /// Ends whatever befell one of its servers.
    pub(super) fn heal(&self, which: usize) -> Result<(), ServerError> {
        if let Some(front) = self.fronts.get(which) {
            front.heal();
        }
        let again = if runs(self.server(which)?) { Command::Resume } else { Command::Restart };
        self.command(which, again)
    }

    pub(super) fn suspend(&self, suspended: bool) {
        self.server.suspend(suspended);
    }

    pub(super) fn stop(&self) {
        self.server.stop();
    }

    fn server(&self, which: usize) -> Result<&dyn Server, ServerError> {
        servers(&*self.server).get(which).copied().ok_or(ServerError::NoLease)
    }
}

/// The servers of a group, or the one that it is.
fn servers(server: &dyn Server) -> Vec<&dyn Server> {
    let group: Vec<&dyn Server> = server.group().iter().map(|server| &**server).collect();
    if group.is_empty() { vec![server] } else { group }
}

fn runs(server: &dyn Server) -> bool {
    server.ended(Duration::ZERO).is_none()
}
