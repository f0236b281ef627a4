//! The worker's side: a process of the test binary that runs the cases it is handed, one at a time.
//!
//! Its standard input is the control socket. That moves out of the way first, so that neither a test nor a process
//! that a test starts can read or hold it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, getpgrp, kill_process_group};

use super::attempt::{self, Running};
use super::standard_streams::{self, StandardStreams};
use super::traces::{self, Before};
use super::wire::{self, Answer, Assignment, Inbox, Note, Order, Report};
use super::{Outcome, stacks};
use crate::aside::aside;
use crate::case::Registry;
use crate::fixture::Notes;

/// The only argument of a worker.
pub(crate) const WORKER_ARGUMENT: &str = "--dynamo-test-worker";

/// The exit code of a worker that cannot tell what became of a case, because the case has closed what it does not own.
/// The controller would wait for ever.
const LOST_SOCKET: i32 = 3;

/// Runs cases until the controller has no more, or is gone.
pub(crate) fn serve() -> ! {
    let ended = Control::take_stdin().and_then(|control| {
        traces::adopt_orphans();
        let answers = control.answers()?;
        let line = Arc::<Line>::default();
        start_runner(Arc::clone(&line), answers.clone())?;
        // This thread only listens, so that it hears the controller hang up in the middle of a case.
        let result = control.follow(|order| match order {
            Order::Run(assignment) => {
                line.add(assignment);
                Ok(())
            }
            Order::Recall => answers.send(&Answer::Returned(line.clear())),
            Order::PrintStacks => {
                stacks::print();
                answers.send(&Answer::StacksPrinted)
            }
            Order::End => Ok(()),
        });
        if !matches!(result, Ok(Ended::AsTold)) || line.is_busy() {
            end_own_group();
        }
        result
    });
    match ended {
        Ok(_) => process::exit(0),
        Err(error) => {
            eprintln!("dynamo-test worker: {error}");
            process::exit(2);
        }
    }
}

/// Starts the thread that runs the cases of the line.
fn start_runner(line: Arc<Line>, answers: Answers) -> io::Result<()> {
    let standard = StandardStreams::keep()?;
    aside(move || {
        let registry = Registry::collect();
        let before = Before::observe();
        loop {
            let assignment = line.next();
            let report =
                run(&registry, assignment, &answers, || before.traces(), || standard.put_back());
            line.ended(!report.traces.is_empty());
            answers.report(report);
        }
    })
}

/// The cases that the worker was ordered to run.
#[derive(Default)]
struct Line {
    state: Mutex<LineState>,
    changed: Condvar,
}

#[derive(Default)]
struct LineState {
    waiting: VecDeque<Assignment>,
    /// Whether one runs.
    runs: bool,
    /// Whether none is to run any more, in a process that bears traces of one.
    is_closed: bool,
}

impl Line {
    fn add(&self, assignment: Assignment) {
        let mut state = self.state();
        if !state.is_closed {
            state.waiting.push_back(assignment);
            drop(state);
            self.changed.notify_one();
        }
    }

    /// Forgets those that have not begun; how many they were.
    fn clear(&self) -> usize {
        mem::take(&mut self.state().waiting).len()
    }

    /// Waits for the next, which begins.
    fn next(&self) -> Assignment {
        let mut state = self.state();
        loop {
            if let Some(next) = state.waiting.pop_front() {
                state.runs = true;
                return next;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The one that ran has ended; its answer is about to go out.
    fn ended(&self, is_last: bool) {
        let mut state = self.state();
        state.runs = false;
        if is_last {
            state.is_closed = true;
            state.waiting.clear();
        }
    }

    fn is_busy(&self) -> bool {
        let state = self.state();
        state.runs || !state.waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, LineState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the one case that the controller hands over, on this thread, and ends the process: how a case gets a process
/// of its own under the stock harness.
pub(crate) fn serve_one() -> ! {
    let served = Control::take_stdin().and_then(|control| {
        traces::adopt_orphans();
        // The stock harness has announced the case in the file that keeps its output. If it cannot be emptied, the
        // announcement stays.
        let _ = rustix::fs::ftruncate(rustix::stdio::stdout(), 0);
        let answers = control.answers()?;
        let result = control.follow(|order| match order {
            Order::Run(assignment) => {
                let answers = answers.clone();
                // As in a worker, this thread listens on.
                aside(move || {
                    let before = Before::observe();
                    let printed = || standard_streams::length(rustix::stdio::stdout());
                    let traces = || before.traces();
                    answers.report(run(
                        &Registry::collect(),
                        assignment,
                        &answers,
                        traces,
                        printed,
                    ));
                })
            }
            // What it was ordered has begun.
            Order::Recall => answers.send(&Answer::Returned(0)),
            Order::PrintStacks => {
                stacks::print();
                answers.send(&Answer::StacksPrinted)
            }
            Order::End => Ok(()),
        });
        if !matches!(result, Ok(Ended::AsTold)) {
            end_own_group();
        }
        result
    });
    process::exit(if served.is_ok() { 0 } else { 2 });
}

/// The controller is gone without a word: all that cases started goes along with this process.
fn end_own_group() {
    // First those that have left the group, and then this process, which would find them.
    traces::end_children();
    let _ = kill_process_group(getpgrp(), Signal::KILL);
}

/// Runs a case, then has its `traces` gathered, and sees how much is `printed`.
fn run(
    registry: &Registry,
    assignment: Assignment,
    answers: &Answers,
    traces: impl FnOnce() -> Vec<String>,
    printed: impl FnOnce() -> u64,
) -> Report {
    let started = Instant::now();
    let mut running = match registry.case(assignment.index) {
        Some(case) if case.definition.path == assignment.path => {
            attempt::start(&case, assignment.grants, answers.notes(case.index))
        }
        _ => Err(Outcome::error(
            "the worker does not know the case: was the test binary rebuilt meanwhile?",
        )),
    };
    let outcome = running.as_mut().map_or_else(|error| error.clone(), Running::wait);
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let traces = traces();
    // Threads that it left may have panicked while their end was awaited.
    let outcome = match running {
        Ok(running) => running.judge(outcome),
        Err(outcome) => outcome,
    };
    // What stands in the buffer belongs to this case; a stream that the test closed has lost it anyway.
    let _ = io::stdout().flush();
    flush_c_streams();
    Report { outcome, micros, printed: printed(), traces }
}

/// The control socket.
struct Control(UnixStream);

impl Control {
    fn take_stdin() -> io::Result<Self> {
        let control = fcntl_dupfd_cloexec(io::stdin().as_fd(), 3)?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        Ok(Self(control.into()))
    }

    fn answers(&self) -> io::Result<Answers> {
        Ok(Answers(Arc::new(Mutex::new(self.0.try_clone()?))))
    }

    /// Hands over each order until the controller says that there are no more, or hangs up.
    fn follow(self, mut handle: impl FnMut(Order) -> io::Result<()>) -> io::Result<Ended> {
        let mut inbox = Inbox::default();
        loop {
            match inbox.next()? {
                Some(Order::End) => return Ok(Ended::AsTold),
                Some(order) => handle(order)?,
                None if inbox.receive(&self.0)? == 0 => return Ok(Ended::HungUp),
                None => {}
            }
        }
    }
}

/// Where answers go, from whichever thread; none comes into the middle of another.
#[derive(Clone)]
struct Answers(Arc<Mutex<UnixStream>>);

impl Answers {
    fn send(&self, answer: &Answer) -> io::Result<()> {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wire::send(&*stream, answer)
    }

    /// Says what became of a case.
    fn report(&self, mut report: Report) {
        report.outcome.text_mut().map(wire::cut);
        report.traces.iter_mut().for_each(wire::cut);
        match self.send(&Answer::Ended(report)) {
            // Without a controller nobody wants the answer, and the listening thread ends the process.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("dynamo-test worker: the socket to the harness is gone: {error}");
                process::exit(LOST_SOCKET);
            }
            _ => {}
        }
    }

    fn notes(&self, index: usize) -> Notes {
        let answers = self.clone();
        Notes::new(move |_, value| {
            // Without a controller there is no record either.
            let _ = answers.send(&Answer::Noted(Note { index, value }));
        })
    }
}

/// How the controller's orders ended.
enum Ended {
    AsTold,
    HungUp,
}

/// Writes out what C code (CUDA's libraries, say) has printed and the C library still holds.
fn flush_c_streams() {
    // SAFETY: a null pointer means all streams, which the C library locks itself.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}
