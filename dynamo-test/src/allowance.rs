//! Time that something may take, which passes only while this process runs.

use std::time::{Duration, Instant};

/// How much of a time is left. What a process does not see passes does not count: it stands still at a breakpoint, or
/// because somebody has stopped it (Ctrl-Z).
pub(crate) struct Allowance {
    left: Duration,
    looked: Instant,
    most_at_once: Duration,
}

impl Allowance {
    /// So much time from now on. [`left`](Self::left) is asked at least once in `most_at_once`; more than that never
    /// passes between two of its calls.
    pub(crate) fn of(time: Duration, most_at_once: Duration) -> Self {
        Self { left: time, looked: Instant::now(), most_at_once }
    }

    /// How much is left now.
    pub(crate) fn left(&mut self) -> Duration {
        let now = Instant::now();
        let passed = now.duration_since(self.looked).min(self.most_at_once);
        self.looked = now;
        self.left = self.left.saturating_sub(passed);
        self.left
    }
}
