//! Which case a thread comes from: a number that a thread hands down to those it starts, and they to theirs.
//!
//! Rust has no stable way to follow a thread to the one that started it. On Linux a new thread has the timer slack of
//! its creator (prctl(2), `PR_SET_TIMERSLACK`): by how many nanoseconds the kernel may delay its sleeps, 50,000 by
//! default. A case's thread has some more, and how many more is the number. Elsewhere threads have none.

use std::sync::atomic::{AtomicU32, Ordering};

/// The slack of a thread that comes from no case.
#[cfg(target_os = "linux")]
const DEFAULT_SLACK: u32 = 50_000;

/// How many numbers there are before they come again: few enough that none delays a sleep by much.
const NUMBERS: u32 = 50_000;

/// The number of a case's threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lineage(u32);

impl Lineage {
    /// One that no thread of a recent case has.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self(1 + NEXT.fetch_add(1, Ordering::Relaxed) % NUMBERS)
    }

    /// Has the calling thread, and those that it will start, bear this number.
    #[cfg(target_os = "linux")]
    pub(super) fn adopt(self) {
        let slack = libc::c_ulong::from(DEFAULT_SLACK + self.0);
        // SAFETY: it sets a number of the calling thread's. Where that is refused the thread has none.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, slack) };
    }

    /// The calling thread's; none where it comes from no case, or the system tells nothing.
    #[cfg(target_os = "linux")]
    pub(super) fn of_this_thread() -> Option<Self> {
        // SAFETY: it only asks for a number.
        let slack = unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) };
        let number = u32::try_from(slack).ok()?.checked_sub(DEFAULT_SLACK)?;
        (1..=NUMBERS).contains(&number).then_some(Self(number))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn adopt(self) {}

    #[cfg(not(target_os = "linux"))]
    pub(super) fn of_this_thread() -> Option<Self> {
        None
    }
}
