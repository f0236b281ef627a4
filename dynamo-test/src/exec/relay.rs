//! The threads on which a worker runs its cases.
//!
//! To start a thread for each takes longer than most cases run. So a case that is a plain function has the thread of
//! those before it, as long as none of them has left anything in it: a case that did keeps the thread to itself, which
//! ends before the case does, with its thread-locals, and the cases after it have another. Any other case gets a thread
//! of its own, which bears its name: one that is async or has fixtures, a process of its own, or stands under `#[test]`.

use std::io::{self, Write};
use std::process;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::attempt::{self, Running};
use super::line::Line;
use super::standard_streams::StandardStreams;
use super::thread_state::ThreadState;
use super::traces::Before;
use super::wire::{Assignment, Report};
use super::worker::Answers;
use super::{Outcome, panics};
use crate::aside::aside;
use crate::case::{Body, Case, Definition, Registry, SyncFunction};

/// The name by which Rust knows a thread that is not one case's own: a panic's message has it.
const CASE_THREAD: &str = "case";

/// A worker's cases, and what its threads share.
pub(super) struct Relay {
    line: Arc<Line>,
    answers: Answers,
    registry: Registry,
    standard: StandardStreams,
    /// The state before the cases, with the thread that starts all others, and without those.
    before: Before,
}

/// A case that is to run.
struct Next {
    assignment: Assignment,
    case: Result<Case, Outcome>,
}

/// Why a thread runs no other case.
enum Left {
    /// This one has left something in it.
    By(Ran),
    /// This one gets a thread of its own.
    For(Next),
}

impl Relay {
    /// Starts to run the cases of the line.
    pub(super) fn start(line: Arc<Line>, answers: Answers) -> io::Result<()> {
        let standard = StandardStreams::keep()?;
        aside(move || {
            let (registry, before) = (Registry::collect(), Before::observe());
            Arc::new(Self { line, answers, registry, standard, before }).run();
        })
    }

    /// Runs the cases, each on another thread, because a thread has much of the one that started it.
    fn run(self: Arc<Self>) -> ! {
        let mut next = self.next();
        loop {
            let relay = Arc::clone(&self);
            let leg = match next.plain() {
                Some(_) => thread::Builder::new().name(CASE_THREAD.into()),
                None => {
                    self.conclude(Ran::apart(next.case, next.assignment, &self.answers), 0);
                    next = self.next();
                    continue;
                }
            };
            next = match leg.spawn(move || relay.leg(next)).map(JoinHandle::join) {
                Ok(Ok(Left::By(ran))) => {
                    self.conclude(ran.with_its_thread(), 0);
                    self.next()
                }
                Ok(Ok(Left::For(next))) => next,
                // The harness has panicked, and the controller learns that the process has ended.
                Ok(Err(_)) => process::abort(),
                Err(error) => {
                    self.conclude(Ran::not(&error), 0);
                    self.next()
                }
            };
        }
    }

    /// Runs plain cases, one after the other, until one of them has left something in this thread.
    fn leg(&self, mut next: Next) -> Left {
        panics::ready();
        let as_new = ThreadState::observe();
        loop {
            let Some((case, function)) = next.plain() else { return Left::For(next) };
            ThreadState::show_name(case.name());
            let ran = Ran::here(case, function);
            if !ran.outcome.passed() || !as_new.is_as_before() {
                return Left::By(ran);
            }
            self.conclude(ran, 1);
            next = self.next();
        }
    }

    /// Waits for the next case.
    fn next(&self) -> Next {
        let assignment = self.line.next();
        Next { case: find(&self.registry, &assignment), assignment }
    }

    /// Looks for what the case has left, beside so many threads of the harness's, and says what became of it.
    fn conclude(&self, ran: Ran, threads: u64) {
        let report = ran.report(self.before.traces_beside(threads), || self.standard.put_back());
        self.line.ended(!report.traces.is_empty());
        self.answers.report(report);
    }
}

impl Next {
    /// The function of a case that may run on a thread which others have used.
    fn plain(&self) -> Option<(&Case, SyncFunction)> {
        let case = self.case.as_ref().ok()?;
        let Definition { body: Body::Sync(function), settings, .. } = case.definition else {
            return None;
        };
        let has_its_own = settings.own_thread || settings.isolated || !settings.env.is_empty();
        (ThreadState::IS_KNOWN && !has_its_own).then_some((case, *function))
    }
}

/// A case whose function has ended.
pub(super) struct Ran {
    running: Option<Running>,
    outcome: Outcome,
    started: Instant,
    took: Duration,
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
        let (running, outcome) = match running {
            Ok(mut running) => {
                let outcome = running.wait();
                (Some(running), outcome)
            }
            Err(outcome) => (None, outcome),
        };
        Self { running, outcome, started, took: started.elapsed() }
    }

    /// Runs a case on this thread.
    fn here(case: &Case, function: SyncFunction) -> Self {
        let started = Instant::now();
        let mut running = attempt::run_here(case.definition, function);
        let outcome = running.wait();
        Self { running: Some(running), outcome, started, took: started.elapsed() }
    }

    /// A case that could not run.
    fn not(error: &io::Error) -> Self {
        let outcome = Outcome::error(format!("no thread could be started: {error}"));
        Self { running: None, outcome, started: Instant::now(), took: Duration::ZERO }
    }

    /// Its thread has ended just now, and dropped its thread-locals, which belongs to the case.
    fn with_its_thread(self) -> Self {
        Self { took: self.started.elapsed(), ..self }
    }

    /// What became of it, given its traces; `printed` tells how much is printed, once all is.
    pub(super) fn report(self, traces: Vec<String>, printed: impl FnOnce() -> u64) -> Report {
        let Self { running, outcome, took, .. } = self;
        // Threads that it left may have panicked while their end was awaited.
        let outcome = match running {
            Some(running) => running.judge(outcome),
            None => outcome,
        };
        // What stands in the buffer belongs to this case; a stream that the test closed has lost it anyway.
        let _ = io::stdout().flush();
        flush_c_streams();
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        Report { outcome, nanos, printed: printed(), traces }
    }
}

/// The case that is meant.
pub(super) fn find(registry: &Registry, assignment: &Assignment) -> Result<Case, Outcome> {
    let case = registry.case(assignment.index);
    case.filter(|case| case.definition.path == assignment.path).ok_or_else(|| {
        Outcome::error("the worker does not know the case: was the test binary rebuilt meanwhile?")
    })
}

/// Writes out what C code (CUDA's libraries, say) has printed and the C library still holds.
fn flush_c_streams() {
    // SAFETY: a null pointer means all streams, which the C library locks itself.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}
