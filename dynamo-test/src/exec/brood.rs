//! The processes that a worker's cases started, told by a variable that they inherit: a worker that died has ended
//! none of those that left its process group.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use super::traces;

/// The variable that tells which worker a process comes from.
const VARIABLE: &str = "DYNAMO_TEST_WORKER";

/// What comes from one worker.
pub(super) struct Brood {
    worker: String,
}

impl Brood {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { worker: format!("{}-{number}", std::process::id()) }
    }

    /// What the worker must be started with.
    pub(super) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.worker)
    }

    /// Kills what is left of it, and names it, once the worker is gone: this process, which is then the parent of
    /// what is left, has to [adopt](traces::adopt_orphans) it.
    pub(super) fn end(&self) -> Vec<String> {
        let variable = format!("{VARIABLE}={}", self.worker);
        let is_of_it = |pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|set| set == variable.as_bytes())
        };
        traces::end_those_that(is_of_it)
    }
}
