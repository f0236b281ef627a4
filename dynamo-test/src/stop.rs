//! Why a run begins nothing more: a signal told it to stop, its time is over, or enough cases have failed.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use crate::interrupt;
use crate::process_groups::Stopwatch;

/// Why nothing more begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Signal(i32),
    /// The run had so much time.
    TimeIsOver(Duration),
    /// So many cases have failed.
    Failures(NonZeroU32),
}

/// How long the run may take, and since when.
static TIME: OnceLock<(Duration, Stopwatch)> = OnceLock::new();

/// Whether anything was ended, or did not begin, because it was over.
static TIME_WAS_SHORT: AtomicBool = AtomicBool::new(false);

/// After how many failures nothing more begins.
static MOST_FAILURES: OnceLock<NonZeroU32> = OnceLock::new();

static FAILURES: AtomicU32 = AtomicU32::new(0);

/// Gives the run so much time from now on.
pub(crate) fn after(time: Duration) {
    let _ = TIME.set((time, Stopwatch::start()));
}

/// Has the run stop once so many cases have failed.
pub(crate) fn after_failures(most: NonZeroU32) {
    let _ = MOST_FAILURES.set(most);
}

/// Says that one more case has failed.
pub(crate) fn count_failure() {
    FAILURES.fetch_add(1, Ordering::AcqRel);
}

/// Why nothing more begins, if that is so. Who asks has something to begin or to end.
pub(crate) fn reason() -> Option<Stop> {
    if let Some(signal) = interrupt::told_to_stop() {
        return Some(Stop::Signal(signal));
    }
    if let (Some(Duration::ZERO), Some((time, _))) = (time_left(), TIME.get()) {
        TIME_WAS_SHORT.store(true, Ordering::Release);
        return Some(Stop::TimeIsOver(*time));
    }
    let most = MOST_FAILURES.get().copied();
    most.filter(|most| FAILURES.load(Ordering::Acquire) >= most.get()).map(Stop::Failures)
}

/// How much of the run's time is left, if that is limited.
pub(crate) fn time_left() -> Option<Duration> {
    TIME.get().map(|(time, since)| time.saturating_sub(since.elapsed()))
}

/// Whether the run was over before it was done, for lack of time.
pub(crate) fn time_was_short() -> bool {
    TIME_WAS_SHORT.load(Ordering::Acquire)
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(signal) => write!(f, "the run was told to stop by signal {signal}"),
            Self::TimeIsOver(time) => {
                write!(f, "the run's time ({}) was over", humantime::format_duration(*time))
            }
            Self::Failures(most) if most.get() == 1 => f.write_str("a case had failed"),
            Self::Failures(most) => write!(f, "{most} cases had failed"),
        }
    }
}
