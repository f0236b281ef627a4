//! A run's servers: started at first need, each leased to one case at a time.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::folders::Folders;
use super::process::Server;
use super::{Launch, ServiceError};
use crate::fixture::Service;

/// The servers of a run. There are never more of one kind than cases that use one at the same time.
pub(crate) struct Pool {
    folders: Folders,
    timeout: Duration,
    started: AtomicUsize,
    kinds: Mutex<HashMap<Service, Kind>>,
}

/// How long a server may take to show whether it is well.
const FAULT_WITHIN: Duration = Duration::from_secs(1);

/// The servers of one kind that nobody uses, the one used last at the end.
#[derive(Default)]
struct Kind {
    idle: Vec<Server>,
    /// Whether one could be started.
    works: bool,
    /// Why none can: another would only fail, or take its time to fail, too.
    broken: Option<ServiceError>,
}

/// The right to a server that no other case uses meanwhile. Dropping it gives the server back.
pub(crate) struct Lease {
    service: Service,
    server: Option<Server>,
    pool: Arc<Pool>,
}

impl Pool {
    /// A pool whose servers keep their data under `root`.
    pub(crate) fn new(root: PathBuf, timeout: Duration) -> Arc<Self> {
        Arc::new(Self {
            folders: Folders::new(root),
            timeout,
            started: AtomicUsize::new(0),
            kinds: Mutex::default(),
        })
    }

    /// Leases a wiped server, starting one if none is idle.
    pub(crate) fn lease(self: &Arc<Self>, service: Service) -> Result<Lease, ServiceError> {
        let server = self.idle(service)?.map_or_else(|| self.start(service), Ok)?;
        Ok(Lease { service, server: Some(server), pool: Arc::clone(self) })
    }

    /// Ends the idle servers.
    pub(crate) fn end(&self) {
        self.kinds().clear();
    }

    /// An idle server that let itself be wiped. One that did not is of no use to anybody.
    fn idle(&self, service: Service) -> Result<Option<Server>, ServiceError> {
        loop {
            let mut kinds = self.kinds();
            let kind = kinds.entry(service).or_default();
            let Some(server) = kind.idle.pop() else {
                return kind.broken.clone().map_or(Ok(None), Err);
            };
            drop(kinds);
            if !server.has_ended() && service.wipe(&server, self.timeout).is_ok() {
                return Ok(Some(server));
            }
        }
    }

    fn start(&self, service: Service) -> Result<Server, ServiceError> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let started = self.folders.make(service.name(), number).and_then(|folder| {
            let started = service.start(&Launch { folder: &folder, timeout: self.timeout });
            if started.is_err() {
                self.folders.remove(&folder);
            }
            let server = started?;
            // Proves, too, that it is ready for use.
            service.wipe(&server, self.timeout)?;
            Ok(server)
        });
        let mut kinds = self.kinds();
        let kind = kinds.entry(service).or_default();
        match &started {
            Ok(_) => kind.works = true,
            Err(error) if !kind.works => kind.broken = Some(error.clone()),
            Err(_) => {}
        }
        drop(kinds);
        started
    }

    fn kinds(&self) -> std::sync::MutexGuard<'_, HashMap<Service, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// The address that clients are given.
    pub(crate) fn address(&self) -> String {
        self.server.as_ref().map(|server| self.service.address(server)).unwrap_or_default()
    }

    /// What is wrong with the server after a case that failed, if anything is.
    pub(crate) fn fault(&self) -> Option<ServiceError> {
        let server = self.server.as_ref()?;
        // A server that has just been killed may not have ended yet, but it does not do as it is told any more.
        let told = self.service.wipe(server, self.pool.timeout.min(FAULT_WITHIN));
        match told {
            Ok(()) if !server.has_ended() => None,
            Err(error) if !server.ends_within(FAULT_WITHIN) => Some(error),
            _ => Some(server.death()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(server) = self.server.take().filter(|server| !server.has_ended()) {
            self.pool.kinds().entry(self.service).or_default().idle.push(server);
        }
    }
}
