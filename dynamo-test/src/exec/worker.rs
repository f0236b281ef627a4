//! The worker's side: a process of the test binary that runs the cases it is handed, one at a time.
//!
//! Its standard input is the control socket. That moves out of the way first, so that neither a test nor a process
//! that a test starts can read or hold it.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Signal, getpgrp, kill_process_group};

use super::line::Line;
use super::relay::{self, Ran, Relay};
use super::traces::{self, Before};
use super::wire::{self, Answer, Inbox, Note, Order, Report};
use super::{stacks, standard_streams};
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
        Relay::start(Arc::clone(&line), answers.clone())?;
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
                    let case = relay::find(&Registry::collect(), &assignment);
                    let ran = Ran::apart(case, assignment, &answers);
                    let printed = || standard_streams::length(rustix::stdio::stdout());
                    answers.report(ran.report(before.traces(), printed));
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
pub(super) struct Answers(Arc<Mutex<UnixStream>>);

impl Answers {
    fn send(&self, answer: &Answer) -> io::Result<()> {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wire::send(&*stream, answer)
    }

    /// Says what became of a case.
    pub(super) fn report(&self, mut report: Report) {
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

    pub(super) fn notes(&self, index: usize) -> Notes {
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
