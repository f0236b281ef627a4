use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::super::fault::Fault;
use super::super::wire::{Command, ServerError, Status};
use super::network::Network;
use super::server::Server;

/// What a lease is of: a server, or a group of them, with what is known of its use.
pub(super) struct Member {
    servers: Vec<Tended>,
    /// The ways to the servers, where these are to be disturbed.
    network: Option<Network>,
    /// Whether somebody has used it, and left it well.
    served: AtomicBool,
    /// Whether something was done to it that the next user shall not suffer from.
    tampered: AtomicBool,
}

/// A server, with what was done to it.
struct Tended {
    server: Box<dyn Server>,
    /// Whether it was told to end, and was not started again.
    told_to_end: AtomicBool,
}

impl Member {
    /// One that is a single server.
    pub(super) fn of(server: impl Server + 'static) -> Self {
        Self::new([server], None)
    }

    /// One that is several servers, which reach each other on a network of their own.
    pub(super) fn of_group(
        servers: impl IntoIterator<Item = impl Server + 'static>,
        network: Network,
    ) -> Self {
        Self::new(servers, Some(network))
    }

    fn new(
        servers: impl IntoIterator<Item = impl Server + 'static>,
        network: Option<Network>,
    ) -> Self {
        let tended = servers
            .into_iter()
            .map(|server| Tended { server: Box::new(server), told_to_end: AtomicBool::new(false) });
        Self {
            servers: tended.collect(),
            network,
            served: AtomicBool::new(false),
            tampered: AtomicBool::new(false),
        }
    }

    /// One whose servers are reached by ways that can be made bad ones. Their jitter derives from `seed`.
    pub(super) fn with_network(mut self, seed: u64) -> io::Result<Self> {
        let network = Network::of(self.servers.len(), seed)?;
        for (number, tended) in self.servers.iter().enumerate() {
            network.lead_to(number, tended.server.endpoint());
        }
        self.network = Some(network);
        Ok(self)
    }

    /// Where clients reach it: `host:port`, of a group one for each server, separated by commas.
    pub(super) fn authority(&self) -> String {
        let authorities = match &self.network {
            Some(network) => network.authorities(),
            None => self.servers.iter().map(|tended| tended.server.authority()).collect(),
        };
        authorities.join(",")
    }

    /// Where its data is, if that is one place, and can be seen from here.
    pub(super) fn folder(&self) -> Option<&Path> {
        match &*self.servers {
            [tended] => tended.server.folder(),
            _ => None,
        }
    }

    /// Whether a server of it has ended.
    pub(super) fn has_ended(&self) -> bool {
        !self.servers.iter().all(Tended::runs)
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

    /// How each of its servers is, once one has ended or, at the latest, this much time has passed.
    pub(super) fn status(&self, within: Duration) -> Vec<Status> {
        if !self.has_ended() {
            let share = within / u32::try_from(self.servers.len()).unwrap_or(u32::MAX);
            // Who ends in another's share is seen after it.
            self.servers.iter().any(|tended| tended.server.ended(share).is_some());
        }
        let status = |tended: &Tended| Status {
            server: tended.server.name().into(),
            ended: tended.server.ended(Duration::ZERO),
            tail: tended.server.tail(),
            told_to_end: tended.told_to_end.load(Ordering::Acquire),
        };
        self.servers.iter().map(status).collect()
    }

    /// Does something to one of its servers.
    pub(super) fn command(&self, which: usize, command: Command) -> Result<(), ServerError> {
        self.discard();
        let tended = self.tended(which)?;
        if matches!(command, Command::Pause | Command::Resume) {
            return tended.server.command(command);
        }
        // Before it ends: whoever sees the end sees the reason, and nobody connects to what is not there.
        tended.told_to_end.store(true, Ordering::Release);
        if let Some(network) = &self.network {
            network.lead_to(which, None);
        }
        let result = tended.server.command(command);
        if let Some(network) = &self.network {
            network.lead_to(which, tended.server.endpoint().filter(|_| tended.runs()));
        }
        tended.told_to_end.store(!tended.runs(), Ordering::Release);
        result
    }

    /// Has a fault befall one of its servers.
    pub(super) fn inflict(&self, which: usize, fault: Fault) -> Result<(), ServerError> {
        match fault {
            Fault::Pause => self.command(which, Command::Pause),
            Fault::Kill => self.command(which, Command::Kill),
            Fault::Stop => self.command(which, Command::Terminate),
            // It befalls a server by what a client asks of it, which is for who inflicts it.
            Fault::ExpireLeases => Ok(()),
            Fault::Partition { .. }
            | Fault::Latency { .. }
            | Fault::Bandwidth { .. }
            | Fault::Refuse
            | Fault::Reset => {
                self.discard();
                self.tended(which)?;
                self.network.as_ref().ok_or(ServerError::NoFront)?.inflict(which, fault);
                Ok(())
            }
        }
    }

    /// Ends whatever befell one of its servers.
    pub(super) fn heal(&self, which: usize) -> Result<(), ServerError> {
        if let Some(network) = &self.network {
            network.heal(which);
        }
        let again = if self.tended(which)?.runs() { Command::Resume } else { Command::Restart };
        self.command(which, again)
    }

    pub(super) fn suspend(&self, suspended: bool) {
        for tended in &self.servers {
            tended.server.suspend(suspended);
        }
    }

    pub(super) fn stop(&self) {
        for tended in &self.servers {
            tended.server.stop();
        }
    }

    fn tended(&self, which: usize) -> Result<&Tended, ServerError> {
        self.servers.get(which).ok_or(ServerError::NoLease)
    }
}

impl Tended {
    fn runs(&self) -> bool {
        self.server.ended(Duration::ZERO).is_none()
    }
}
