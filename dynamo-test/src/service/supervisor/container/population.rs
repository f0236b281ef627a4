use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::reaper::{Reaper, Task};

/// How many containers there are, those that may be about to come among them. While there are any, the reaper knows
/// how to remove them.
pub(super) struct Population {
    reaper: Arc<Reaper>,
    removal: String,
    state: Mutex<State>,
    fell: Condvar,
}

#[derive(Default)]
struct State {
    count: usize,
    task: Option<Task>,
}

impl Population {
    /// None yet; `removal` is the shell command that removes all of them.
    pub(super) fn new(reaper: Arc<Reaper>, removal: String) -> Self {
        Self { reaper, removal, state: Mutex::default(), fell: Condvar::new() }
    }

    /// One more is about to be there.
    pub(super) fn grow(&self) {
        let mut state = self.state();
        state.count += 1;
        state.task.get_or_insert_with(|| self.reaper.add(self.removal.clone()));
    }

    /// One of them is surely gone.
    pub(super) fn shrink(&self) {
        let mut state = self.state();
        state.count -= 1;
        if state.count == 0 {
            state.task = None;
        }
        self.fell.notify_all();
    }

    /// Waits until there is none, or for this long.
    pub(super) fn wait_until_nil(&self, within: Duration) {
        let waited = self.fell.wait_timeout_while(self.state(), within, |state| state.count > 0);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
