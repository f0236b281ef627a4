//! Repetition: the cases of a run, again and again, in rounds. A case that fails in some and passes in others is flaky.

mod rounds;
mod tally;

use std::sync::{Arc, Mutex, PoisonError};

use rounds::Rounds;
pub(crate) use tally::Tally;

use crate::args::Repeat;
use crate::case::Case;
use crate::stop;

/// The cases of a run that is repeated, and what became of them so far.
pub(crate) struct Repetition {
    rounds: Rounds,
    cases: Mutex<Vec<(Arc<Case>, Tally)>>,
}

impl Repetition {
    pub(crate) fn new(repeat: Repeat) -> Self {
        Self { rounds: Rounds::new(repeat, || stop::reason().is_some()), cases: Mutex::default() }
    }

    /// Adds a case before the first round; the number it goes by.
    pub(crate) fn add(&self, case: Arc<Case>) -> usize {
        self.cases().push((case, Tally::default()));
        self.rounds.add()
    }

    /// Runs what comes next, on this thread among others, until a case has had its rounds; what they came to.
    /// `attempt` runs a case in a round, and adds to its tally what became of it.
    pub(crate) fn run<T>(
        &self,
        number: usize,
        attempt: impl Fn(&Arc<Case>, u32) -> T,
        add: impl Fn(&mut Tally, u32, T),
    ) -> Tally {
        self.rounds.attend(number, |number, round| {
            let case = Arc::clone(&self.cases()[number].0);
            let attempted = attempt(&case, round);
            add(&mut self.cases()[number].1, round, attempted);
        });
        std::mem::take(&mut self.cases()[number].1)
    }

    fn cases(&self) -> std::sync::MutexGuard<'_, Vec<(Arc<Case>, Tally)>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
