//! A case in the controller itself.

use std::time::{Duration, Instant};

use super::environment;
use super::exit_guard::ExitGuard;
use super::runner::Attempt;
use super::traces::Before;
use crate::case::Case;
use crate::fixture::Grants;

/// Runs the only case of this process, where a debugger is, or where nextest has made a process for it. What it
/// prints is not captured.
pub(super) fn run_alone(case: &Case, grants: Grants, timeout: Option<Duration>) -> Attempt {
    // SAFETY: the case has not begun, and the threads there are (this one, and those that read the servers' logs)
    // leave the environment alone.
    unsafe { environment::adopt(&environment::of(case.definition, &grants)) };
    let _guard = ExitGuard::new();
    let before = Before::observe_controller();
    let attempt = run(case, grants, timeout);
    Attempt { traces: before.traces(), ..attempt }
}

/// Runs a case that leaves the process as it is.
pub(super) fn run(case: &Case, grants: Grants, timeout: Option<Duration>) -> Attempt {
    let started = Instant::now();
    let outcome = super::attempt(case, grants, timeout);
    Attempt { outcome, output: None, duration: started.elapsed(), traces: Vec::new() }
}
