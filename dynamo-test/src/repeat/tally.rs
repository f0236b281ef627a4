use libtest_mimic::{Completion, Failed};

use crate::exec::Outcome;

/// What became of a case in its rounds.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// The first round that failed the run, and what is said of it.
    first_failure: Option<(u32, String)>,
    /// What was said of the last round that was no failure.
    last: Option<Completion>,
}

impl Tally {
    /// Adds a round; whether it is the first that fails the run.
    pub(crate) fn add(
        &mut self,
        round: u32,
        outcome: &Outcome,
        said: Result<Completion, Failed>,
    ) -> bool {
        self.passed += u64::from(outcome.passed());
        self.failed += u64::from(outcome.is_a_failure());
        match said {
            Ok(completion) if outcome.tells() || self.last.is_none() => {
                self.last = Some(completion)
            }
            Ok(_) => {}
            Err(failed) if self.first_failure.is_none() => {
                self.first_failure = Some((round, failed.message().unwrap_or_default().to_owned()));
                return true;
            }
            Err(_) => {}
        }
        false
    }

    /// Whether it failed in some rounds and passed in others.
    pub(crate) fn is_flaky(&self) -> bool {
        self.passed > 0 && self.failed > 0
    }

    /// What is said of the case: a failure among its rounds is its failure.
    pub(crate) fn conclude(self) -> Result<Completion, Failed> {
        let Some((round, text)) = self.first_failure else {
            return Ok(self.last.unwrap_or(Completion::Completed));
        };
        let flaky = if self.passed > 0 { "flaky: it " } else { "it " };
        let times = if self.failed == 1 { "time" } else { "times" };
        Err(Failed::from(format!(
            "{flaky}failed {} {times} and passed {}; in round {round}:\n\n{text}",
            self.failed, self.passed
        )))
    }
}
