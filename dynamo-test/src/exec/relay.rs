//! The threads on which a worker runs its cases.
//!
//! To start a thread for each takes longer than most cases run. So a case that is a plain function has the thread of
//! those before it, as long as none of them has left anything in it: a case that did keeps the thread to itself, which
//! ends before the case does, with its thread-locals, and the cases after it have another. Any other case gets a thread
//! of its own, which bears its name: one that is async or has fixtures, a process of its own, or stands under `#[test]`.

use std::io::{self, Write};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::attempt::{self, Running};
use super::line::Line;
use super::standard_streams::StandardStreams;
use super::thread_state::ThreadState;
use super::traces::Before;
use super::wire::{Assignment, Report};
use super::worker::Answers;
use super::{Outcome, panics};
use crate::aside::{HARNESS_THREAD, aside};
use crate::case::{Body, Case, Registry, SyncFunction};

/// The name by which Rust knows a thread that is not one case's own: a panic's message has it.
const CASE_THREAD: &str = "case";

/// A worker's cases, and what its threads hand on.
pub(super) struct Relay {
    line: Arc<Line>,
    answers: Answers,
    registry: Registry,
    standard: StandardStreams,
    /// The state before the cases.
    before: OnceLock<Before>,
    /// The case that the thread before has ended with.
    last: Mutex<Option<Ran>>,
}

impl Relay {
    /// Starts to run the cases of the line.
    pub(super) fn start(line: Arc<Line>, answers: Answers) -> io::Result<()> {
        let standard = StandardStreams::keep()?;
        aside(move || {
            let (registry, before, last) = (Registry::collect(), OnceLock::new(), Mutex::default());
            Arc::new(Self { line, answers, registry, standard, before, last }).run();
        })
    }

    /// Starts a thread for the cases, and whenever that has ended, another: what a thread has of the one that started
    /// it is never a case's.
    fn run(self: Arc<Self>) -> ! {
        loop {
            let relay = Arc::clone(&self);
            let thread = thread::Builder::new().name(CASE_THREAD.into());
            match thread.spawn(move || relay.leg(ThreadState::observe)).map(JoinHandle::join) {
                Ok(Ok(())) => {}
                // The harness itself has panicked: the controller learns that the process has ended.
                Ok(Err(_)) => process::abort(),
                // Here then, and the cases will say that there can be no other thread.
                Err(_) => self.leg(|| None),
            }
        }
    }

    /// Runs cases, one after the other, until one of them has left something in this thread.
    fn leg(&self, observe: impl FnOnce() -> Option<ThreadState>) {
        let before = self.before.get_or_init(Before::observe);
        if let Some(ran) = self.last().take() {
            self.conclude(ran, before);
        }
        panics::ready();
        let as_new = observe();
        loop {
            let assignment = self.line.next();
            let case = find(&self.registry, &assignment);
            let shared = case.as_ref().ok().and_then(|case| Some((case, shares_threads(case)?)));
            let (Some(state), Some((case, function))) = (&as_new, shared) else {
                ThreadState::show_name(HARNESS_THREAD);
                self.conclude(Ran::apart(case, assignment, &self.answers), before);
                continue;
            };
            ThreadState::show_name(case.name());
            let ran = Ran::here(case, function);
            if !ran.outcome.passed() || !state.is_as_before() {
                *self.last() = Some(ran);
                return;
            }
            self.conclude(ran, before);
        }
    }

    /// Looks for what the case has left, and says what became of it.
    fn conclude(&self, ran: Ran, before: &Before) {
        let report = ran.report(before.traces(), || self.standard.put_back());
        self.line.ended(!report.traces.is_empty());
        self.answers.report(report);
    }

    fn last(&self) -> MutexGuard<'_, Option<Ran>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A case whose function has ended.
pub(super) struct Ran {
    running: Option<Running>,
    outcome: Outcome,
    micros: u64,
}

impl Ran {
    /// Runs a case on a thread of its own.
    pub(super) fn apart(
        case: Result<Case, Outcome>,
        assignment: Assignment,
        answers: &Answers,
    ) -> Self {
        let started = Instant::now();
        let running = case.and_then(|case| {
            attempt::start(&case, assignment.grants, answers.notes(assignment.index))
        });
        match running {
            Ok(mut running) => {
                let outcome = running.wait();
                Self { running: Some(running), outcome, micros: micros_since(started) }
            }
            Err(outcome) => Self { running: None, outcome, micros: micros_since(started) },
        }
    }

    /// Runs a case on this thread.
    fn here(case: &Case, function: SyncFunction) -> Self {
        let started = Instant::now();
        let mut running = attempt::run_here(case.definition, function);
        let outcome = running.wait();
        Self { running: Some(running), outcome, micros: micros_since(started) }
    }

    /// What became of it, given its traces; `printed` tells how much is printed, once all is.
    pub(super) fn report(self, traces: Vec<String>, printed: impl FnOnce() -> u64) -> Report {
        let Self { running, outcome, micros } = self;
        // Threads that it left may have panicked while their end was awaited.
        let outcome = match running {
            Some(running) => running.judge(outcome),
            None => outcome,
        };
        // What stands in the buffer belongs to this case; a stream that the test closed has lost it anyway.
        let _ = io::stdout().flush();
        flush_c_streams();
        Report { outcome, micros, printed: printed(), traces }
    }
}

/// The case that is meant.
pub(super) fn find(registry: &Registry, assignment: &Assignment) -> Result<Case, Outcome> {
    let case = registry.case(assignment.index);
    case.filter(|case| case.definition.path == assignment.path).ok_or_else(|| {
        Outcome::error("the worker does not know the case: was the test binary rebuilt meanwhile?")
    })
}

/// The function of a case that may run on a thread that others have used.
fn shares_threads(case: &Case) -> Option<SyncFunction> {
    let definition = case.definition;
    let has_its_own = definition.settings.own_thread
        || definition.settings.isolated
        || !definition.settings.env.is_empty();
    match definition.body {
        Body::Sync(function) if !has_its_own => Some(function),
        Body::Sync(_) | Body::Async(_) | Body::WithFixtures(_) => None,
    }
}

fn micros_since(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Writes out what C code (CUDA's libraries, say) has printed and the C library still holds.
fn flush_c_streams() {
    // SAFETY: a null pointer means all streams, which the C library locks itself.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}
