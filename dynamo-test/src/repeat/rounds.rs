use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::args::Repeat;

/// Hands out cases in rounds. A case never runs beside itself: what only two of it at once would break is no
/// flakiness. So a round may begin before the last cases of the one before have ended.
pub(super) struct Rounds {
    repeat: Repeat,
    /// Whether nothing more is to begin.
    is_over: fn() -> bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The round that is being handed out, from 1.
    round: u32,
    /// The cases that it is still to be given to.
    waiting: VecDeque<usize>,
    cases: Vec<Progress>,
}

/// How far a case is.
#[derive(Clone, Default)]
struct Progress {
    /// How many rounds of it have begun.
    begun: u32,
    runs: bool,
}

impl Rounds {
    pub(super) fn new(repeat: Repeat, is_over: fn() -> bool) -> Self {
        Self { repeat, is_over, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds a case; its number.
    pub(super) fn add(&self) -> usize {
        let mut state = self.state();
        state.cases.push(Progress::default());
        state.cases.len() - 1
    }

    /// Runs whatever comes next until a case has had all its rounds. `run` is told the case and the round.
    pub(super) fn attend(&self, case: usize, run: impl Fn(usize, u32)) {
        let mut state = self.state();
        loop {
            if let Some(next) = self.next(&mut state) {
                let round = state.cases[next].begun;
                drop(state);
                let running = Running { rounds: self, case: next };
                run(next, round);
                drop(running);
                state = self.state();
            } else if self.has_more(&state, case) {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if !self.has_more(&state, case) {
                return;
            }
        }
    }

    /// Whether a case runs, or has a round before it.
    fn has_more(&self, state: &State, case: usize) -> bool {
        state.cases[case].runs || state.waiting.contains(&case) || self.another_round(state)
    }

    /// Whether there will be a round after this one.
    fn another_round(&self, state: &State) -> bool {
        let is_last = matches!(self.repeat, Repeat::Times(times) if state.round == times.get());
        // Who has not run at all is still to be told why.
        state.round == 0 || !(is_last || (self.is_over)())
    }

    /// Takes the case that is to run next, if one may begin now.
    fn next(&self, state: &mut State) -> Option<usize> {
        if (self.is_over)() {
            // Who has not run at all is still to be told why.
            let cases = &state.cases;
            state.waiting.retain(|case| cases[*case].begun == 0);
        }
        if state.waiting.is_empty() && self.another_round(state) {
            state.round += 1;
            state.waiting = (0..state.cases.len()).collect();
        }
        let position = state.waiting.iter().position(|case| !state.cases[*case].runs)?;
        let next = state.waiting.remove(position)?;
        let progress = &mut state.cases[next];
        (progress.runs, progress.begun) = (true, progress.begun + 1);
        Some(next)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a case runs, however that ends.
struct Running<'a> {
    rounds: &'a Rounds,
    case: usize,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.rounds.state().cases[self.case].runs = false;
        self.rounds.changed.notify_all();
    }
}
