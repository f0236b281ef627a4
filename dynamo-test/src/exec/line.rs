use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::wire::Assignment;

/// The cases that a worker was ordered to run.
#[derive(Default)]
pub(super) struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Assignment>,
    /// Whether one runs.
    runs: bool,
    /// Whether none is to run any more, in a process that bears traces of one.
    is_closed: bool,
}

impl Line {
    pub(super) fn add(&self, assignment: Assignment) {
        let mut state = self.state();
        if !state.is_closed {
            state.waiting.push_back(assignment);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Forgets those that have not begun; how many they were.
    pub(super) fn clear(&self) -> usize {
        mem::take(&mut self.state().waiting).len()
    }

    /// Waits for the next, which begins.
    pub(super) fn next(&self) -> Assignment {
        let mut state = self.state();
        loop {
            if let Some(next) = state.waiting.pop_front() {
                state.runs = true;
                return next;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The one that ran has ended; its answer is about to go out.
    pub(super) fn ended(&self, is_last: bool) {
        let mut state = self.state();
        state.runs = false;
        if is_last {
            state.is_closed = true;
            state.waiting.clear();
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        let state = self.state();
        state.runs || !state.waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
