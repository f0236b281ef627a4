use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use super::super::fault::Fault;
use super::super::proxy::{Conditions, Endpoint, Proxy};

/// The way to a server, which can be made a bad one. It stays open while the server is gone.
pub(super) struct Front {
    proxy: Proxy,
    conditions: Mutex<Conditions>,
}

impl Front {
    /// A way to the server that listens on `authority`.
    pub(super) fn open(authority: &str, seed: u64) -> io::Result<Self> {
        let any = Endpoint::Tcp((Ipv4Addr::LOCALHOST, 0).into());
        let front = Self { proxy: Proxy::start(&any, seed)?, conditions: Mutex::default() };
        front.lead_to(Some(authority));
        Ok(front)
    }

    /// Where clients come in: `host:port`.
    pub(super) fn authority(&self) -> String {
        self.proxy.endpoint().to_string()
    }

    /// Where the server listens now, if it does: without one, clients are refused.
    pub(super) fn lead_to(&self, authority: Option<&str>) {
        let target = authority.and_then(|authority| authority.parse::<SocketAddr>().ok());
        self.proxy.lead_to(target.map(Endpoint::Tcp));
    }

    /// Makes the way as bad as a fault of the network says, on top of how bad it is.
    pub(super) fn inflict(&self, fault: Fault) {
        let mut conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        match fault.conditions(*conditions) {
            Some(worse) => {
                *conditions = worse;
                self.proxy.impose(worse);
            }
            None => self.proxy.reset(),
        }
    }

    /// Makes the way a good one.
    pub(super) fn heal(&self) {
        let mut conditions = self.conditions.lock().unwrap_or_else(PoisonError::into_inner);
        *conditions = Conditions::default();
        self.proxy.impose(*conditions);
    }
}
