//! How long cases and runs should take. Nothing fails by it and nothing is ended: a run says where it was missed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::case::Case;
use crate::config::{self, Config, Limit};
use crate::exec::Outcome;
use crate::marker::{Lifecycle, builtin};

/// What a run's cases, and the run itself, are held against.
pub(crate) struct Standards {
    of_cases: config::Standards,
    budget: Option<(Lifecycle, Duration)>,
    /// What the unit cases took so far.
    unit_cases: Mutex<Duration>,
}

/// Something took longer than it should.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Missed<'a> {
    #[serde(flatten)]
    pub(crate) standard: Standard,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) case: Option<&'a str>,
    #[serde(rename = "limit_ms", serialize_with = "milliseconds")]
    pub(crate) limit: Duration,
    #[serde(rename = "took_ms", serialize_with = "milliseconds")]
    pub(crate) took: Duration,
}

/// What should not take longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "standard", rename_all = "snake_case")]
pub(crate) enum Standard {
    /// A unit case.
    Unit,
    /// An integration case.
    Integration,
    /// A case that does not bear `slow`.
    Slow,
    /// The unit cases of the run, one after the other.
    UnitCases,
    /// The run of a lifecycle.
    Budget {
        #[serde(serialize_with = "name")]
        lifecycle: Lifecycle,
    },
}

impl Standards {
    pub(crate) fn new(config: &Config, lifecycle: Option<Lifecycle>) -> Self {
        let budget =
            lifecycle.and_then(|lifecycle| Some((lifecycle, config.lifecycles.budget(lifecycle)?)));
        Self { of_cases: config.standards, budget, unit_cases: Mutex::default() }
    }

    /// What a case missed that took so long, its wait for GPUs, servers and its turn not included. Of one that did not
    /// pass its time says nothing.
    pub(crate) fn of_case<'a>(
        &self,
        case: &'a Case,
        outcome: &Outcome,
        took: Duration,
    ) -> Vec<Missed<'a>> {
        let has = |marker| case.markers.contains(marker);
        if has(&builtin::unit) {
            *self.unit_cases.lock().unwrap_or_else(PoisonError::into_inner) += took;
        }
        if !outcome.passed() || has(&builtin::slow) {
            return Vec::new();
        }
        let standards = [
            (Standard::Unit, self.of_cases.unit, has(&builtin::unit)),
            (Standard::Integration, self.of_cases.integration, has(&builtin::integration)),
            (Standard::Slow, self.of_cases.slow, true),
        ];
        let missed = |(standard, Limit(limit), holds)| {
            let limit = limit.filter(|limit| holds && took > *limit)?;
            Some(Missed { standard, case: Some(case.name()), limit, took })
        };
        standards.into_iter().filter_map(missed).collect()
    }

    /// What a run missed that took so long.
    pub(crate) fn of_run(&self, took: Duration) -> Vec<Missed<'static>> {
        let unit_cases = *self.unit_cases.lock().unwrap_or_else(PoisonError::into_inner);
        let of_unit_cases =
            self.of_cases.unit_cases.0.map(|limit| (Standard::UnitCases, limit, unit_cases));
        let budget =
            self.budget.map(|(lifecycle, limit)| (Standard::Budget { lifecycle }, limit, took));
        [of_unit_cases, budget]
            .into_iter()
            .flatten()
            .filter(|(_, limit, took)| took > limit)
            .map(|(standard, limit, took)| Missed { standard, case: None, limit, took })
            .collect()
    }
}

fn milliseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64() * 1e3)
}

fn name<S: serde::Serializer>(lifecycle: &Lifecycle, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(lifecycle.name())
}
