//! The servers of a case: leased before it runs, and to blame if they die while it does.

use super::Outcome;
use crate::case::Case;
use crate::fixture::{Need, ServiceGrant};
use crate::service::{Lease, ServiceError, Services};

/// What a case has of servers while it runs.
pub(super) struct Servers {
    leases: Vec<Lease>,
    /// What it is told of them.
    pub(super) grants: Vec<ServiceGrant>,
}

impl Servers {
    /// Leases the services that the case needs; those it can do without may be missing.
    pub(super) fn lease(services: &Services, case: &Case) -> Result<Self, ServiceError> {
        let mut leases = Vec::new();
        let mut grants = Vec::new();
        for (want, need) in case.needs.services() {
            let (granted, environment) = match (services.lease(*want), need) {
                (Ok(lease), _) => {
                    let told = (Ok(lease.granted()), lease.environment());
                    leases.push(lease);
                    told
                }
                (Err(error), Need::Optional) => (Err(error.to_string()), Vec::new()),
                (Err(error), Need::Required) => return Err(error),
            };
            grants.push(ServiceGrant { key: want.key(), environment, granted });
        }
        Ok(Self { leases, grants })
    }

    /// A case that failed while its server died failed because of the server.
    pub(super) fn take_the_blame(&self, outcome: &mut Outcome) {
        if !outcome.fails_the_run() {
            return;
        }
        let faults: Vec<String> =
            self.leases.iter().filter_map(Lease::fault).map(|fault| fault.to_string()).collect();
        if !faults.is_empty() {
            let (faults, headline) = (faults.join("\n"), outcome.headline());
            *outcome = Outcome::Error { message: format!("{faults}\nthe case then {headline}") };
        }
    }
}
