use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::fault::Fault;
use super::super::proxy::{Conditions, Endpoint, Proxy};
use crate::seed::Numbers;

/// The ways to servers, and from one to another, which can be made bad ones. They stay open while a server is gone.
pub(super) struct Network {
    /// How bad all ways to and from each server are.
    conditions: Mutex<Vec<Conditions>>,
    /// Where the clients of each server come in.
    fronts: Vec<Proxy>,
    links: Vec<Link>,
    seeds: Numbers,
}

/// A way on which one server reaches another.
struct Link {
    from: usize,
    to: usize,
    /// Where the other listens for it.
    target: PathBuf,
    proxy: Proxy,
}

impl Network {
    /// Ways to as many servers, which lead nowhere yet. `seed` is what their jitter derives from.
    pub(super) fn of(servers: usize, seed: u64) -> io::Result<Self> {
        let any = Endpoint::Tcp((Ipv4Addr::LOCALHOST, 0).into());
        let mut seeds = Numbers::new(seed);
        let fronts = (0..servers).map(|_| Proxy::start(&any, seeds.next()));
        Ok(Self {
            fronts: fronts.collect::<io::Result<_>>()?,
            conditions: Mutex::new(vec![Conditions::default(); servers]),
            links: Vec::new(),
            seeds,
        })
    }

    /// Adds a way that begins at one socket, in the folder of the first server, and ends at another, in the second's. It
    /// is open while the way for clients of the second is.
    pub(super) fn link(
        &mut self,
        (from, entrance): (usize, &Path),
        (to, target): (usize, &Path),
    ) -> io::Result<()> {
        let proxy = Proxy::start(&Endpoint::Unix(entrance.into()), self.seeds.next())?;
        self.links.push(Link { from, to, target: target.into(), proxy });
        Ok(())
    }

    /// Where clients come in: `host:port`, one for each server.
    pub(super) fn authorities(&self) -> Vec<String> {
        self.fronts.iter().map(|front| front.endpoint().to_string()).collect()
    }

    /// Where a server listens now, if it does: without that, clients and other servers are refused.
    pub(super) fn lead_to(&self, server: usize, endpoint: Option<Endpoint>) {
        let is_there = endpoint.is_some();
        if let Some(front) = self.fronts.get(server) {
            front.lead_to(endpoint);
        }
        for link in self.links.iter().filter(|link| link.to == server) {
            link.proxy.lead_to(is_there.then(|| Endpoint::Unix(link.target.clone())));
        }
    }

    /// Makes the ways of a server as bad as a fault of the network says, on top of how bad they are.
    pub(super) fn inflict(&self, server: usize, fault: Fault) {
        let mut conditions = self.conditions();
        let Some(now) = conditions.get_mut(server) else { return };
        match fault.conditions(*now) {
            Some(worse) => {
                *now = worse;
                self.impose(server, &conditions);
            }
            None => self.proxies_of(server).for_each(Proxy::reset),
        }
    }

    /// Makes the ways of a server good ones, but for what is bad about another at their other end.
    pub(super) fn heal(&self, server: usize) {
        let mut conditions = self.conditions();
        if let Some(now) = conditions.get_mut(server) {
            *now = Conditions::default();
            self.impose(server, &conditions);
        }
    }

    fn impose(&self, server: usize, conditions: &[Conditions]) {
        if let Some(front) = self.fronts.get(server) {
            front.impose(conditions[server]);
        }
        for link in self.links_of(server) {
            let from = conditions[link.from].as_seen_by_a_client();
            link.proxy.impose(conditions[link.to].with(from));
        }
    }

    fn proxies_of(&self, server: usize) -> impl Iterator<Item = &Proxy> {
        self.fronts.get(server).into_iter().chain(self.links_of(server).map(|link| &link.proxy))
    }

    fn links_of(&self, server: usize) -> impl Iterator<Item = &Link> {
        self.links.iter().filter(move |link| link.from == server || link.to == server)
    }

    fn conditions(&self) -> MutexGuard<'_, Vec<Conditions>> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
