//! Cases in the controller itself, where a debugger is, and where what they print goes where the user looks.
//!
//! A case that hangs here, or calls `exit`, has its outcome like any other; but its threads cannot be ended, and so
//! the cases after it run in workers. One that aborts takes the controller along.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::attempt::{self, Running};
use super::exit_guard::{self, Beside};
use super::finished::Attempt;
use super::standard_streams::StandardStreams;
use super::traces::{self, Before};
use super::{Outcome, environment, stacks};
use crate::allowance::Allowance;
use crate::case::Case;
use crate::fixture::{Grants, Notes};
use crate::interrupt;
use crate::process;

/// How often it is looked whether a case has had its time, or the run shall stop.
const TICK: Duration = Duration::from_millis(50);

/// How much of a deadline a tick may use up.
const MOST_OF_A_TICK: Duration = Duration::from_millis(200);

/// The controller as the place of cases, one at a time.
pub(super) struct Controller {
    /// Whether a case still runs in it, though its time is over.
    is_haunted: AtomicBool,
    /// None where they could not be kept: then a case that closes them closes them for all.
    streams: Option<StandardStreams>,
}

impl Controller {
    pub(super) fn new() -> Self {
        exit_guard::go_on();
        traces::adopt_orphans();
        Self { is_haunted: AtomicBool::new(false), streams: StandardStreams::keep().ok() }
    }

    /// Whether it can take a case.
    pub(super) fn is_free(&self) -> bool {
        !self.is_haunted.load(Ordering::Acquire)
    }

    /// Runs a case. What it prints is not captured.
    pub(super) fn run(
        &self,
        case: &Case,
        grants: Grants,
        notes: Notes,
        timeout: Option<Duration>,
    ) -> Attempt {
        // SAFETY: the case has not begun, and the threads there are (this one, and those that read the servers' logs)
        // leave the environment alone. Of several cases, only the first finds anything to change.
        unsafe { environment::adopt(&environment::of(case.definition, &grants)) };
        let before = Before::observe_controller();
        let started = Instant::now();
        let mut running = match attempt::start(case, grants, notes) {
            Ok(running) => running,
            Err(outcome) => return Attempt::of(outcome),
        };
        let end = wait(&mut running, timeout);
        let duration = started.elapsed();
        if let End::Lost(_) = end {
            self.is_haunted.store(true, Ordering::Release);
            process::end_all();
        }
        let traces = before.traces();
        let outcome = match end {
            // What it left may have panicked while its end was awaited.
            End::Own(outcome) => running.judge(outcome),
            End::Lost(outcome) => outcome,
        };
        // SAFETY: as above; where a thread of the case goes on all the same, its time is over.
        unsafe { before.put_back() };
        if let Some(streams) = &self.streams {
            streams.put_back();
        }
        Attempt { duration, traces, ..Attempt::of(outcome) }
    }
}

/// Runs a case that leaves the process as it is, beside others.
pub(super) fn run_beside_others(
    case: &Case,
    grants: Grants,
    notes: Notes,
    timeout: Option<Duration>,
) -> Attempt {
    let _beside = Beside::new(case.name());
    let started = Instant::now();
    let outcome =
        attempt::start(case, grants, notes).map(|mut running| match wait(&mut running, timeout) {
            End::Own(outcome) => running.judge(outcome),
            End::Lost(outcome) => outcome,
        });
    let outcome = outcome.unwrap_or_else(|error| error);
    Attempt { duration: started.elapsed(), ..Attempt::of(outcome) }
}

/// How the wait for a case ended.
enum End {
    /// As it did.
    Own(Outcome),
    /// Too early: its threads are still there.
    Lost(Outcome),
}

fn wait(running: &mut Running, timeout: Option<Duration>) -> End {
    let mut allowance = timeout.map(|timeout| Allowance::of(timeout, MOST_OF_A_TICK));
    loop {
        let left = allowance.as_mut().map(Allowance::left);
        let tick = left.map_or(TICK, |left| left.min(TICK));
        if let Some(outcome) = running.wait_for(tick) {
            return if running.is_given_up() { End::Lost(outcome) } else { End::Own(outcome) };
        }
        if exit_guard::was_called() {
            let message = "it ended the process before it was finished".into();
            return End::Lost(Outcome::Crashed { message });
        }
        if let Some(signal) = interrupt::told_to_stop() {
            return End::Lost(Outcome::interrupted(signal));
        }
        if let (Some(Duration::ZERO), Some(limit)) = (left, timeout) {
            stacks::print();
            return End::Lost(Outcome::timed_out(limit));
        }
    }
}

/// Whether a debugger (or another that traces system calls) holds this process.
pub(crate) fn is_debugged() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
    tracer.is_some_and(|pid| pid.trim() != "0")
}
