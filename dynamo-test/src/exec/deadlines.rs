use std::time::Duration;

use crate::case::Case;
use crate::config::{Limit, Timeouts};

/// How long the cases of a run may take.
pub(crate) struct Deadlines {
    /// What the run gives each case that does not say so itself.
    pub(crate) timeout: Option<Limit>,
    /// What the configuration gives, by what a case is.
    pub(crate) configured: Timeouts,
}

impl Deadlines {
    /// How long a case may take: by its attribute, else by the run, else by the configuration.
    pub(super) fn of(&self, case: &Case) -> Option<Duration> {
        match (case.definition.timeout_ms, self.timeout) {
            (Some(timeout), _) => Some(Duration::from_millis(timeout)),
            (None, Some(Limit(timeout))) => timeout,
            (None, None) => self.configured.of(&case.markers),
        }
    }
}
