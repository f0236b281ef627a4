//! A case that runs in the controller itself and calls `exit(0)` would end the run as a success. The guard notices.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process in which a case runs; 0 where none does. A process that a test forks is another, and may exit.
static RUNNING: AtomicU32 = AtomicU32::new(0);

// SAFETY: the C library has both, with these signatures.
unsafe extern "C" {
    safe fn atexit(callback: extern "C" fn()) -> i32;
    safe fn _exit(status: i32) -> !;
}

/// While it lives, the end of the process is the failure of a case.
pub(super) struct ExitGuard(());

impl ExitGuard {
    pub(super) fn new() -> Self {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            atexit(refuse);
        });
        RUNNING.store(std::process::id(), Ordering::Release);
        Self(())
    }
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        RUNNING.store(0, Ordering::Release);
    }
}

extern "C" fn refuse() {
    if RUNNING.load(Ordering::Acquire) == std::process::id() {
        eprintln!("FAILED\n\ncrashed: the case ended the process before it was finished");
        _exit(101);
    }
}
