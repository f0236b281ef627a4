//! A case's right to a server: what it is told of it, and how the server is checked and wiped.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ServiceError;
use super::client::Client;
use super::external::{External, Lock};
use super::kind::{Located, Unready, Want};
use super::spec::Mode;
use super::tail::Tail;
use super::wire::{Answer, Leased, Request, ServerError, Status};
use crate::process_groups::Stopwatch;

/// How long a server may take to show whether it is well.
const FAULT_WITHIN: Duration = Duration::from_secs(1);

/// How long it may take until it is known that a server has ended, which a client may see first.
const END_SEEN_WITHIN: Duration = Duration::from_millis(200);

/// How long the end of a server that does not do as it is told may take to be known: a busy engine tells late of a
/// container's.
const END_WITHIN: Duration = Duration::from_secs(5);

/// How often a server that starts is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(2);

/// How many lines are shown of each of several servers.
const LINES_OF_EACH: usize = 10;

/// The right to a server while a case runs. Dropping it gives the server back.
pub(crate) struct Lease {
    pub(super) want: Want,
    pub(super) url: String,
    /// What the case's names begin with, where others use the server, too.
    pub(super) prefix: Option<String>,
    pub(super) within: Duration,
    pub(super) holding: Holding,
}

/// What a lease holds.
pub(super) enum Holding {
    /// A server of the supervisor's, and the connection that it is leased on.
    Started {
        /// What messages call it.
        name: String,
        leased: Leased,
        client: Mutex<Client>,
    },
    External {
        external: External,
        /// That nobody else wipes it meanwhile.
        _lock: Lock,
    },
}

/// What a case is told of a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Granted {
    /// The address that clients are given.
    pub(crate) url: String,
    /// Where it listens: `host:port`, of a cluster one for each member, separated by commas.
    pub(crate) authority: String,
    /// What the case's names begin with, where others use the server, too.
    pub(crate) prefix: Option<String>,
    /// By which something can be done to the server; none where it is somebody else's.
    pub(crate) handle: Option<Handle>,
    /// Files that clients of somebody else's server need.
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) ca_certificate: Option<PathBuf>,
}

/// A lease, as other processes name it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Handle {
    /// The supervisor's folder.
    pub(crate) supervisor: PathBuf,
    pub(crate) lease: u64,
}

impl Lease {
    /// What the case is told.
    pub(crate) fn granted(&self) -> Granted {
        let (url, prefix) = (self.url.clone(), self.prefix.clone());
        match &self.holding {
            Holding::Started { leased, client, .. } => Granted {
                url,
                authority: leased.authority.clone(),
                prefix,
                handle: Some(Handle {
                    supervisor: lock(client).folder().to_owned(),
                    lease: leased.lease,
                }),
                credentials: None,
                ca_certificate: None,
            },
            Holding::External { external, .. } => Granted {
                url,
                authority: external.authority.clone(),
                prefix,
                handle: None,
                credentials: external.credentials.clone(),
                ca_certificate: external.ca_certificate.clone(),
            },
        }
    }

    /// The variables in which code under test looks for the server.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let credentials = match &self.holding {
            Holding::Started { .. } => None,
            Holding::External { external, .. } => external.credentials.as_deref(),
        };
        self.want.kind.environment(&self.url, credentials)
    }

    /// What is wrong with the server after a case that failed, if anything is.
    pub(crate) fn fault(&self) -> Option<ServiceError> {
        // A server that has just been killed may not have ended yet, but it does not do as it is told any more.
        let within = self.within.min(FAULT_WITHIN);
        let told = match (&self.holding, self.want.mode) {
            (_, Mode::Exclusive) if self.want.kind.can_be_wiped() => self.wipe(within).err(),
            // The case may have paused it, or cut it off: that it does not answer is no fault of its own.
            (_, Mode::Dedicated | Mode::Cluster) => None,
            (Holding::External { external, .. }, _) => external.check(within).err(),
            (Holding::Started { .. }, _) => self.wait_until_ready(within, || false).err(),
        };
        let wait = match self.want.mode {
            _ if told.is_some() => END_WITHIN,
            mode if mode.is_for_one() => END_SEEN_WITHIN,
            _ => Duration::ZERO,
        };
        match self.status(wait) {
            Some(Err(error)) => Some(error),
            Some(Ok(servers)) => servers.into_iter().find_map(died).or(told),
            None => told,
        }
    }

    /// Makes the server ready for a case.
    pub(super) fn prepare(&self, fresh: bool, is_over: fn() -> bool) -> Result<(), ServiceError> {
        if fresh {
            self.wait_until_ready(self.within, is_over)?;
        }
        let wiped = match self.want.mode {
            // What others have in a shared server is theirs.
            Mode::Shared => self.has_a_part(),
            Mode::Exclusive | Mode::Dedicated | Mode::Cluster => {
                !fresh || self.want.kind.can_be_wiped()
            }
        };
        if wiped { self.wipe(self.within) } else { Ok(()) }
    }

    /// Whether what the case has of a shared server is more than a prefix.
    fn has_a_part(&self) -> bool {
        matches!(&self.holding, Holding::Started { leased, .. } if leased.part.is_some())
    }

    /// Makes the server ready for others.
    fn leave(&self) {
        let kind = self.want.kind;
        let within = self.within.min(FAULT_WITHIN);
        if let Some(prefix) = self.prefix.as_deref().filter(|_| !self.has_a_part()) {
            // Nobody is there to be told, and the next case has another prefix.
            let _ = kind.clear(&self.located(), prefix, within);
        }
        if let Holding::Started { client, .. } = &self.holding {
            if self.want.mode == Mode::Exclusive && !kind.can_be_wiped() {
                let _ = lock(client).ask(&Request::Discard);
            }
            // Hanging up would do, but not before the next case asks for a server.
            let _ = lock(client).ask(&Request::Release);
        }
    }

    /// Asks whether the server is ready for use until it is, has ended, or has had its time.
    fn wait_until_ready(
        &self,
        within: Duration,
        is_over: fn() -> bool,
    ) -> Result<(), ServiceError> {
        let waited = Stopwatch::start();
        loop {
            let left = within.saturating_sub(waited.elapsed());
            let reason = match self.want.kind.check(&self.located(), left) {
                Ok(()) => return Ok(()),
                Err(Unready::Never(error)) => return Err(error),
                Err(Unready::NotYet(reason)) => reason,
            };
            // The wait between two questions ends early where the server does.
            let Some(servers) = self.status(ASK_EVERY).transpose()? else { return Ok(()) };
            let Holding::Started { name, .. } = &self.holding else { return Ok(()) };
            for Status { server, ended, tail, .. } in &servers {
                if let Some(status) = ended.clone() {
                    let (name, tail) = (server.clone(), tail.clone());
                    return Err(ServerError::EndedEarly { name, status, tail }.into());
                }
            }
            if is_over() {
                return Err(ServiceError::CalledOff);
            }
            if waited.elapsed() >= within {
                let (name, tail) = (name.clone(), tail(servers));
                return Err(ServiceError::NotUsable { name, within, reason, tail });
            }
        }
    }

    fn wipe(&self, within: Duration) -> Result<(), ServiceError> {
        let kind = self.want.kind;
        let wiped = match kind.can_be_wiped() {
            true => kind.wipe(&self.located(), within),
            false => Err("its configuration is not the harness's".into()),
        };
        wiped.map_err(|reason| match &self.holding {
            Holding::Started { name, .. } => ServiceError::NotWiped {
                name: name.clone(),
                reason,
                tail: self
                    .status(Duration::ZERO)
                    .and_then(Result::ok)
                    .map_or_else(Tail::default, tail),
            },
            Holding::External { external, .. } => ServiceError::ExternalNotWiped {
                service: self.want.kind.name(),
                authority: external.authority.clone(),
                reason,
            },
        })
    }

    fn located(&self) -> Located<'_> {
        match &self.holding {
            Holding::Started { leased, .. } => Located {
                authority: &leased.authority,
                url: &self.url,
                folder: leased.folder.as_deref(),
            },
            Holding::External { external, .. } => {
                Located { authority: &external.authority, url: &self.url, folder: None }
            }
        }
    }

    /// How the servers of the supervisor's are, once one has ended or this much time has passed.
    fn status(&self, within: Duration) -> Option<Result<Vec<Status>, ServiceError>> {
        let Holding::Started { client, .. } = &self.holding else { return None };
        Some(match lock(client).ask(&Request::Status { within }) {
            Ok(Answer::Status { servers }) => Ok(servers),
            Ok(_) => Err(ServiceError::SupervisorGone { tail: Tail::default() }),
            Err(error) => Err(error),
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leave();
    }
}

/// That a server ended, if it did so by itself.
fn died(status: Status) -> Option<ServiceError> {
    let Status { server: name, ended, tail, told_to_end } = status;
    ended.filter(|_| !told_to_end).map(|status| ServiceError::Died { name, status, tail })
}

/// What servers printed last, of several each.
fn tail(servers: Vec<Status>) -> Tail {
    let several = servers.len() > 1;
    let lines = servers.into_iter().flat_map(|Status { server, tail: Tail(lines), .. }| {
        let skipped = if several { lines.len().saturating_sub(LINES_OF_EACH) } else { 0 };
        let lines = lines.into_iter().skip(skipped);
        lines.map(move |line| if several { format!("{server}: {line}") } else { line })
    });
    Tail(lines.collect())
}

pub(super) fn lock(client: &Mutex<Client>) -> MutexGuard<'_, Client> {
    client.lock().unwrap_or_else(PoisonError::into_inner)
}
