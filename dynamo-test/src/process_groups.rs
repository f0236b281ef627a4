//! The process groups of a run: each worker leads one. Who interrupts or suspends the run reaches all that its cases
//! started through them.

use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// How long the run was suspended in all, in nanoseconds.
static SUSPENDED: AtomicU64 = AtomicU64::new(0);

/// That a group is part of the run; until it is dropped, which must be before its leader is waited for: then the
/// number may mean somebody else.
pub(crate) struct Membership(Pid);

/// Adds the group that `child` leads.
pub(crate) fn join(child: &Child) -> Membership {
    let pid = Pid::from_child(child);
    groups().push(pid);
    Membership(pid)
}

impl Membership {
    /// Sends a signal to the group; it may be empty already.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.0, signal);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        groups().retain(|pid| *pid != self.0);
    }
}

/// Sends a signal to all groups.
pub(crate) fn signal(signal: Signal) {
    for pid in groups().iter() {
        // It may be empty already.
        let _ = kill_process_group(*pid, signal);
    }
}

/// The processes in which cases of the run are: this one, and its workers.
pub(crate) fn cases() -> Vec<u32> {
    let workers = groups().iter().map(|pid| pid.as_raw_nonzero().get().cast_unsigned()).collect();
    [vec![std::process::id()], workers].concat()
}

/// Notes that the run stood still for a while.
pub(crate) fn was_suspended(span: Duration) {
    let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    SUSPENDED.fetch_add(span, Ordering::AcqRel);
}

/// A clock that stands still while the run does: time since some moment.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch {
    started: Instant,
    suspended: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), suspended: suspended() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed().saturating_sub(suspended() - self.suspended)
    }
}

/// How long the run was suspended so far.
pub(crate) fn suspended() -> Duration {
    Duration::from_nanos(SUSPENDED.load(Ordering::Acquire))
}

fn groups() -> MutexGuard<'static, Vec<Pid>> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
