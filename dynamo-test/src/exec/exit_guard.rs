//! A case that runs in a process which has more to do, and calls `exit(0)`, would end all of it as a success.

use std::cell::Cell;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;

/// The process that goes on when a case of its own calls `exit`; 0 where there is none. A process that a test forks
/// is another, and may exit.
static GOES_ON: AtomicU32 = AtomicU32::new(0);

/// Whether a case has called `exit` in it.
static CALLED: AtomicBool = AtomicBool::new(false);

/// The cases that run on threads of a process that is not ours to keep.
static BESIDE: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread is the harness's, which runs no case: it ends the process where it cannot print any more.
    static IS_OURS: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: the C library has both, with these signatures.
unsafe extern "C" {
    safe fn atexit(callback: extern "C" fn()) -> i32;
    safe fn _exit(status: i32) -> !;
}

/// From now on any other thread that calls `exit` stands still, and the process ends by [`leave`].
pub(super) fn go_on() {
    register();
    IS_OURS.set(true);
    GOES_ON.store(std::process::id(), Ordering::Release);
}

/// Whether a case has called `exit`.
pub(super) fn was_called() -> bool {
    CALLED.load(Ordering::Acquire)
}

/// Ends a process that may have refused to end before; what `main` returns.
pub(crate) fn leave(code: u8) -> ExitCode {
    GOES_ON.store(0, Ordering::Release);
    if was_called() {
        // The thread that was the first to call `exit` keeps all others from it.
        let _ = io::stdout().flush();
        _exit(code.into());
    }
    ExitCode::from(code)
}

/// While it lives, the end of the process is a failure: of the stock harness's, which runs this case beside others.
pub(super) struct Beside(&'static str);

impl Beside {
    pub(super) fn new(case: &'static str) -> Self {
        register();
        beside().push(case);
        Self(case)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let mut cases = beside();
        if let Some(position) = cases.iter().position(|case| *case == self.0) {
            cases.swap_remove(position);
        }
    }
}

fn beside() -> MutexGuard<'static, Vec<&'static str>> {
    BESIDE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        atexit(refuse);
    });
}

extern "C" fn refuse() {
    if GOES_ON.load(Ordering::Acquire) == std::process::id() && !IS_OURS.get() {
        CALLED.store(true, Ordering::Release);
        loop {
            thread::park();
        }
    }
    let cases = beside();
    if !cases.is_empty() {
        let thread = thread::current();
        let thread = thread.name().unwrap_or("without a name");
        // Not by `eprintln!`, which the stock harness keeps to itself.
        let _ = writeln!(
            io::stderr(),
            "dynamo-test: crashed: the thread `{thread}` ended the process while these cases ran: {} (`isolated` \
             gives a case a process of its own)",
            cases.join(", ")
        );
        _exit(101);
    }
}
