use std::time::Duration;

use serde::Deserialize;

use super::Limit;
use crate::marker::{Marker, builtin};

/// `[timeouts]`: how long a case may take that does not say so itself.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub(crate) struct Timeouts {
    unit: Limit,
    integration: Limit,
    e2e: Limit,
    benchmark: Limit,
    stress: Limit,
    slow: Limit,
    /// Of a whole run.
    pub(crate) run: Limit,
}

impl Timeouts {
    /// How long a case with these markers may take.
    pub(crate) fn of(&self, markers: &[Marker]) -> Option<Duration> {
        let limits = [
            // Before the types: whatever the case is, it says that it takes long.
            (builtin::slow, self.slow),
            (builtin::integration, self.integration),
            (builtin::e2e, self.e2e),
            (builtin::benchmark, self.benchmark),
            (builtin::stress, self.stress),
        ];
        let limit = limits.into_iter().find(|(marker, _)| markers.contains(marker));
        limit.map_or(self.unit, |(_, limit)| limit).0
    }
}
