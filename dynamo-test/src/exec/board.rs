//! What the cases of a run are doing: those who run them write it here, and whoever shows it reads it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::waits::Wait;
use crate::process_groups::Stopwatch;

/// The cases of a run that are under way, and how many have ended.
#[derive(Default)]
pub(crate) struct Board(Mutex<Cases>);

#[derive(Default)]
struct Cases {
    ended: usize,
    next: u64,
    /// The one that came first at the beginning.
    under_way: BTreeMap<u64, UnderWay>,
}

/// A case that has come, and not ended.
#[derive(Clone)]
pub(crate) struct UnderWay {
    pub(crate) case: &'static str,
    pub(crate) stage: Stage,
    /// How long it has been at this stage.
    pub(crate) since: Stopwatch,
}

/// How far a case is.
#[derive(Clone)]
pub(crate) enum Stage {
    /// It is about to run.
    Comes,
    /// It cannot run before something else has happened.
    Waits(Wait),
    /// It runs.
    Runs,
}

/// A case's place on the board, until it is dropped.
pub(crate) struct Entry {
    board: Arc<Board>,
    number: u64,
}

impl Board {
    /// Puts a case on the board.
    pub(crate) fn enter(self: &Arc<Self>, case: &'static str) -> Entry {
        let mut cases = self.cases();
        let number = cases.next;
        cases.next += 1;
        let under_way = UnderWay { case, stage: Stage::Comes, since: Stopwatch::start() };
        cases.under_way.insert(number, under_way);
        Entry { board: Arc::clone(self), number }
    }

    /// One more case has ended, so soon that it was not put on the board.
    pub(super) fn passed_by(&self) {
        self.cases().ended += 1;
    }

    /// How many cases have ended.
    pub(crate) fn ended(&self) -> usize {
        self.cases().ended
    }

    /// The cases that are under way, the one that came first at the beginning.
    pub(crate) fn under_way(&self) -> Vec<(u64, UnderWay)> {
        let cases = self.cases();
        cases.under_way.iter().map(|(number, case)| (*number, case.clone())).collect()
    }

    fn cases(&self) -> MutexGuard<'_, Cases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// From now on the case waits.
    pub(super) fn waits_for(&self, wait: Wait) {
        self.is_at(Stage::Waits(wait));
    }

    /// From now on the case runs.
    pub(super) fn runs(&self) {
        self.is_at(Stage::Runs);
    }

    fn is_at(&self, stage: Stage) {
        if let Some(case) = self.board.cases().under_way.get_mut(&self.number) {
            case.stage = stage;
            case.since = Stopwatch::start();
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut cases = self.board.cases();
        cases.under_way.remove(&self.number);
        cases.ended += 1;
    }
}
