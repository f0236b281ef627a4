use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Outcome;

/// How a case ended, as soon as it has; not a channel, which would take an unoptimised build longer to make than most
/// cases run.
#[derive(Default)]
pub(super) struct Ending {
    end: Mutex<Option<End>>,
    is_said: Condvar,
}

/// What is heard of a case.
pub(super) enum End {
    /// Its function has come to its end.
    Reached(Outcome),
    /// The case is over; its function did not notice.
    GivenUp(Outcome),
    /// Its thread ended without a word.
    Silent,
}

impl Ending {
    /// Says how the case ended. What was said first holds.
    pub(super) fn say(&self, end: End) {
        self.end().get_or_insert(end);
        self.is_said.notify_all();
    }

    /// Waits until it is said.
    pub(super) fn wait(&self) {
        let waited = self.is_said.wait_while(self.end(), |end| end.is_none());
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until it is said, but no longer than that; whether it was.
    pub(super) fn wait_for(&self, time: Duration) -> bool {
        let waited = self.is_said.wait_timeout_while(self.end(), time, |end| end.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }

    /// What was said.
    pub(super) fn take(&self) -> Option<End> {
        self.end().take()
    }

    fn end(&self) -> MutexGuard<'_, Option<End>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by the case's thread: whatever becomes of that, something is said.
pub(super) struct Speaker(pub(super) Arc<Ending>);

impl Drop for Speaker {
    fn drop(&mut self) {
        self.0.say(End::Silent);
    }
}
