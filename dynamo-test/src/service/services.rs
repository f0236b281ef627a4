//! How a case comes to its servers: leased from the run's supervisor, or borrowed from their owner.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

use super::ServiceError;
use super::client::Supervision;
use super::external::External;
use super::kind::Want;
use super::lease::{Holding, Lease, lock};
use super::origin::{Origin, Origins};
use super::spec::{Mode, ServerSpec};
use super::wire::{Request, ServerError, Wanted};

/// How many servers are started where one after the other ends at once: somebody else may have taken its port.
const STARTS: usize = 3;

/// How a run comes to its servers.
pub(crate) struct ServiceOptions {
    /// How long one may take to become ready.
    pub(crate) within: Duration,
    /// What makes the test binary a supervisor.
    pub(crate) supervisor: Vec<String>,
    pub(crate) origins: Origins,
    /// How many there may be of a kind.
    pub(crate) at_most: Option<NonZeroU32>,
    /// Whether the run is over, so that no case waits for a server any longer.
    pub(crate) is_over: fn() -> bool,
}

/// The services of a run.
pub(crate) struct Services {
    supervision: Supervision,
    origins: Origins,
    within: Duration,
    at_most: usize,
    is_over: fn() -> bool,
}

impl Services {
    pub(crate) fn new(options: ServiceOptions) -> Self {
        let ServiceOptions { within, supervisor, origins, at_most, is_over } = options;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let at_most = at_most.and_then(|number| usize::try_from(number.get()).ok());
        Self {
            supervision: Supervision::new(supervisor),
            origins,
            within,
            at_most: at_most.unwrap_or_else(|| 2 * cores()),
            is_over,
        }
    }

    /// Leases a server, wiped if it is the case's alone, and starts one if none is idle.
    pub(crate) fn lease(&self, want: Want) -> Result<Lease, ServiceError> {
        match self.origins.of(&want)? {
            Origin::Started(spec) => self.lease_started(want, spec),
            Origin::External(external) => self.borrow(want, external),
        }
    }

    /// Has a server started that will be wanted, so that it is there when it is.
    pub(crate) fn prepare(&self, want: Want) -> Result<(), ServiceError> {
        if let Origin::Started(spec) = self.origins.of(&want)? {
            let mut client = self.supervision.connect()?;
            if want.mode == Mode::Exclusive {
                client.ask(&Request::Prepare(self.wanted(want, spec)))?;
            }
        }
        Ok(())
    }

    /// Ends the servers, unless others of the run may want them.
    pub(crate) fn end(&self) {
        self.supervision.end();
    }

    fn lease_started(&self, want: Want, spec: ServerSpec) -> Result<Lease, ServiceError> {
        let name = spec.name.clone();
        let wanted = self.wanted(want, spec);
        let mut client = self.supervision.connect()?;
        let mut starts = 0;
        loop {
            let leased = client.lease(wanted.clone(), self.is_over)?;
            let fresh = leased.fresh;
            let lease = Lease {
                want,
                url: want.kind.url(&leased.authority, leased.part),
                prefix: self.prefix(want),
                within: self.within,
                holding: Holding::Started {
                    name: name.clone(),
                    leased,
                    client: Mutex::new(client),
                },
            };
            let prepared = lease.prepare(fresh, self.is_over);
            let Holding::Started { client: held, .. } = &lease.holding else { return Ok(lease) };
            match prepared {
                Ok(()) => return Ok(lease),
                Err(ServiceError::Server(ServerError::EndedEarly { .. }))
                    if starts + 1 < STARTS =>
                {
                    starts += 1;
                    lock(held).ask(&Request::Discard)?;
                    client = self.supervision.connect()?;
                }
                // Nobody knows whether it would have become ready.
                Err(error @ ServiceError::CalledOff) => {
                    lock(held).ask(&Request::Discard)?;
                    return Err(error);
                }
                // It, and all that would be started like it.
                Err(error) if fresh => {
                    let _ = lock(held).ask(&Request::Condemn { reason: error.to_string() });
                    return Err(error);
                }
                // One that does not let itself be wiped is of no use to anybody.
                Err(_) => {
                    lock(held).ask(&Request::Discard)?;
                    client = self.supervision.connect()?;
                }
            }
        }
    }

    fn borrow(&self, want: Want, external: External) -> Result<Lease, ServiceError> {
        if let Some(refusal) = external.refuse(&want) {
            return Err(refusal);
        }
        external.check(self.within)?;
        let lock = external.lock(want.mode, self.is_over)?;
        let url = external.url.clone();
        let holding = Holding::External { external, _lock: lock };
        let prefix = self.prefix(want);
        let lease = Lease { want, url, prefix, within: self.within, holding };
        lease.prepare(false, self.is_over)?;
        Ok(lease)
    }

    fn wanted(&self, want: Want, spec: ServerSpec) -> Wanted {
        Wanted {
            spec,
            mode: want.mode,
            within: self.within,
            at_most: self.at_most,
            parts: want.kind.parts(),
        }
    }

    /// One that no other case has, of whatever run and machine.
    fn prefix(&self, want: Want) -> Option<String> {
        (want.mode == Mode::Shared).then(|| {
            let case = format!("{:016x}", crate::seed::random());
            want.kind.prefix(&self.supervision.run_name(), &case)
        })
    }
}
