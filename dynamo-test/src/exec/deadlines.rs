use std::time::Duration;

use super::Outcome;
use crate::case::Case;
use crate::config::{Limit, Timeouts};
use crate::stop::{self, Stop};

/// How long the cases of a run may take.
pub(crate) struct Deadlines {
    /// What the run gives each case that does not say so itself.
    pub(crate) timeout: Option<Limit>,
    /// What the configuration gives, by what a case is.
    pub(crate) configured: Timeouts,
}

/// How long a case may take that begins now.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    pub(super) within: Option<Duration>,
    /// It is the end of the whole run's time.
    is_the_runs: bool,
}

impl Deadlines {
    /// How long a case may take: by its attribute, else by the run, else by the configuration; never longer than the
    /// run.
    pub(super) fn of(&self, case: &Case) -> Deadline {
        let own = match (case.definition.settings.timeout_ms, self.timeout) {
            (Some(timeout), _) => Some(Duration::from_millis(timeout)),
            (None, Some(Limit(timeout))) => timeout,
            (None, None) => self.configured.of(&case.markers),
        };
        Deadline { within: own, is_the_runs: false }.within_the_run()
    }
}

impl Deadline {
    /// The same, but no longer than the run has time from now on.
    pub(super) fn within_the_run(self) -> Self {
        match stop::time_left() {
            Some(left) if self.within.is_none_or(|within| left < within) => {
                Self { within: Some(left), is_the_runs: true }
            }
            _ => self,
        }
    }

    /// Says of a case that had its time whether it was the run's.
    pub(super) fn explain(self, outcome: &mut Outcome) {
        if let (true, Outcome::TimedOut { message }, Some(stop @ Stop::TimeIsOver(_))) =
            (self.is_the_runs, outcome, stop::reason())
        {
            *message = stop.to_string();
        }
    }
}
