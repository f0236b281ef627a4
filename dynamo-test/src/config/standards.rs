use std::time::Duration;

use serde::Deserialize;

use super::Limit;
use crate::marker::Lifecycle;

/// `[standards]`: how long cases should take.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub(crate) struct Standards {
    pub(crate) unit: Limit,
    pub(crate) integration: Limit,
    /// All unit cases of a run together.
    pub(crate) unit_cases: Limit,
    /// A case that does not bear `slow`.
    pub(crate) slow: Limit,
}

/// `[lifecycles]`: what holds for the run of a lifecycle.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub(crate) struct Lifecycles {
    premerge: LifecycleSection,
    postmerge: LifecycleSection,
    nightly: LifecycleSection,
    weekly: LifecycleSection,
    release: LifecycleSection,
}

/// `[lifecycles.premerge]` and its kin.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
struct LifecycleSection {
    budget: Limit,
}

impl Lifecycles {
    /// How long a run of this lifecycle should take.
    pub(crate) fn budget(&self, lifecycle: Lifecycle) -> Option<Duration> {
        let section = match lifecycle {
            Lifecycle::Premerge => self.premerge,
            Lifecycle::Postmerge => self.postmerge,
            Lifecycle::Nightly => self.nightly,
            Lifecycle::Weekly => self.weekly,
            Lifecycle::Release => self.release,
        };
        section.budget.0
    }
}
