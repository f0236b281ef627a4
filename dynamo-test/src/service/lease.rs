//! How a case comes to its servers: leased from the run's supervisor, checked, and wiped.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ServiceError;
use super::client::{Client, Supervision};
use super::kind::{Located, Want};
use super::spec::Mode;
use super::wire::{Answer, Leased, Request, Status, Wanted};

/// How long a server may take to show whether it is well.
const FAULT_WITHIN: Duration = Duration::from_secs(1);

/// What a run's services are had by.
pub(crate) struct ServiceOptions {
    /// How long a server may take to become ready.
    pub(crate) within: Duration,
    /// What makes the test binary a supervisor.
    pub(crate) supervisor: Vec<String>,
}

/// The services of a run.
pub(crate) struct Services {
    supervision: Supervision,
    within: Duration,
    at_most: usize,
}

/// The right to a server while a case runs. Dropping it gives the server back.
pub(crate) struct Lease {
    want: Want,
    /// What messages call the server.
    name: String,
    leased: Leased,
    within: Duration,
    client: Mutex<Client>,
}

/// What a case is told of a server that was leased for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Granted {
    /// The address that clients are given.
    pub(crate) url: String,
    /// Where it listens: `host:port`.
    pub(crate) authority: String,
    /// Where the supervisor is that does something to the server if it is asked to.
    pub(crate) supervisor: PathBuf,
    pub(crate) lease: u64,
}

impl Services {
    pub(crate) fn new(options: ServiceOptions) -> Self {
        let ServiceOptions { within, supervisor } = options;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { supervision: Supervision::new(supervisor), within, at_most: 2 * cores }
    }

    /// Leases a wiped server, and starts one if none is idle.
    pub(crate) fn lease(&self, want: Want) -> Result<Lease, ServiceError> {
        let wanted = self.wanted(want)?;
        let mut client = self.supervision.connect()?;
        loop {
            let leased = client.lease(wanted.clone())?;
            let fresh = leased.fresh;
            let lease = Lease {
                want,
                name: wanted.spec.name.clone(),
                leased,
                within: self.within,
                client: Mutex::new(client),
            };
            match lease.prepare() {
                Ok(()) => return Ok(lease),
                // It, and all that would be started like it.
                Err(error) if fresh => {
                    let _ = lease.client().ask(&Request::Condemn { reason: error.to_string() });
                    return Err(error);
                }
                // One that does not let itself be wiped is of no use to anybody.
                Err(_) => {
                    let mut back =
                        lease.client.into_inner().unwrap_or_else(PoisonError::into_inner);
                    back.ask(&Request::Discard)?;
                    client = back;
                }
            }
        }
    }

    /// Has a server started that will be wanted, so that it is there when it is.
    pub(crate) fn prepare(&self, want: Want) -> Result<(), ServiceError> {
        let wanted = self.wanted(want)?;
        let mut client = self.supervision.connect()?;
        if want.mode == Mode::Exclusive {
            client.ask(&Request::Prepare(wanted))?;
        }
        Ok(())
    }

    /// Ends the servers, unless others of the run may want them.
    pub(crate) fn end(&self) {
        self.supervision.end();
    }

    fn wanted(&self, want: Want) -> Result<Wanted, ServiceError> {
        let spec = want.kind.spec()?;
        Ok(Wanted { spec, mode: want.mode, within: self.within, at_most: self.at_most })
    }
}

impl Lease {
    /// What the case is told.
    pub(crate) fn granted(&self) -> Granted {
        Granted {
            url: self.want.kind.url(&self.leased.authority),
            authority: self.leased.authority.clone(),
            supervisor: self.client().folder().to_owned(),
            lease: self.leased.lease,
        }
    }

    /// What is wrong with the server after a case that failed, if anything is.
    pub(crate) fn fault(&self) -> Option<ServiceError> {
        // A server that has just been killed may not have ended yet, but it does not do as it is told any more.
        let told = self.wipe(self.within.min(FAULT_WITHIN)).err();
        let within = if told.is_some() { FAULT_WITHIN } else { Duration::ZERO };
        let status = match self.status(within) {
            Ok(status) => status,
            Err(error) => return Some(error),
        };
        match (status.ended, told) {
            (Some(status_text), _) => Some(ServiceError::Died {
                name: self.name.clone(),
                status: status_text,
                tail: status.tail,
            }),
            (None, told) => told,
        }
    }

    /// Makes the server ready for a case.
    fn prepare(&self) -> Result<(), ServiceError> {
        if self.leased.fresh {
            self.want.kind.check(&self.located(), self.within)?;
        }
        self.wipe(self.within)
    }

    fn wipe(&self, within: Duration) -> Result<(), ServiceError> {
        self.want.kind.wipe(&self.located(), within).map_err(|reason| ServiceError::NotWiped {
            name: self.name.clone(),
            reason,
            tail: self.status(Duration::ZERO).map(|status| status.tail).unwrap_or_default(),
        })
    }

    fn located(&self) -> Located<'_> {
        Located { authority: &self.leased.authority, folder: self.leased.folder.as_deref() }
    }

    fn status(&self, within: Duration) -> Result<Status, ServiceError> {
        match self.client().ask(&Request::Status { within })? {
            Answer::Status(status) => Ok(status),
            _ => Err(ServiceError::SupervisorGone { tail: Default::default() }),
        }
    }

    fn client(&self) -> MutexGuard<'_, Client> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
