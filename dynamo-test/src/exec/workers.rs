//! The controller's side of the workers: starting, handing out cases, and noticing when one dies.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::brood::Brood;
use super::capture::Capture;
use super::environment::Environment;
use super::runner::Attempt;
use super::wire::{self, Answer, Assignment, Inbox, Note, Order, Report, WireError};
use super::{Outcome, Output, traces};
use crate::fixture::Notes;
use crate::interrupt;
use crate::own_program;
use crate::process;
use crate::process_groups::{self, Membership, Stopwatch};

/// How long an idle worker may take to end once it is no longer needed.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How long a case that had its time may take to end when it is asked to (SIGTERM), before it is killed.
const TERMINATE_WITHIN: Duration = Duration::from_secs(2);

/// How long the threads of such a case may take to print where they stand.
const STACKS_WITHIN: Duration = Duration::from_secs(5);

/// How a worker is started.
pub(crate) struct WorkerCommand {
    /// The test binary's arguments for a worker that runs the case of this name.
    pub(crate) arguments: fn(&str) -> Vec<String>,
    /// Variables that it gets beside those of its case.
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Whether what cases print is kept for the report.
    pub(crate) capture: bool,
    /// Whether that of cases that passed is wanted, too.
    pub(crate) show_output: bool,
    /// Whether a worker runs more than one case.
    pub(crate) reuse: bool,
}

/// What is told of a case while it runs.
pub(super) trait Observer {
    /// The process that runs it.
    fn started(&mut self, pid: u32);
    /// It has ended; its process is still there, or was until now.
    fn answered(&mut self);
}

/// The workers of a run.
pub(crate) struct Workers {
    command: WorkerCommand,
    /// Where the files that keep what cases print are made.
    captures: PathBuf,
    /// How many workers may stay idle.
    keep: usize,
    /// The one used last at the end.
    idle: Mutex<Vec<Worker>>,
}

impl Workers {
    pub(super) fn new(command: WorkerCommand, captures: PathBuf, keep: usize) -> Self {
        let keep = if command.reuse { keep } else { 0 };
        // What a worker that dies leaves behind is found among this process's children.
        traces::adopt_orphans();
        Self { command, captures, keep, idle: Mutex::default() }
    }

    /// Runs a case in a worker.
    pub(super) fn run(&self, request: Request<'_>, observer: &mut impl Observer) -> Attempt {
        let Request { case, assignment, environment, fresh, timeout, whole_output, notes } =
            request;
        let idle = if fresh { None } else { self.take_idle(&environment) };
        // An idle worker may have died of what an earlier case left in it; that is no fault of this one.
        let willing = idle.filter(|worker| worker.assign(assignment).is_ok());
        let worker = willing.map_or_else(|| self.start_with(case, environment, assignment), Ok);
        let mut worker = match worker {
            Ok(worker) => worker,
            Err(error) => return Attempt::error(format!("no worker could be started: {error}")),
        };
        observer.started(worker.child.id());
        let began = Instant::now();
        let answer = worker.report(timeout, |note| {
            if note.index == assignment.index {
                notes.write(case, note.value);
            }
        });
        observer.answered();
        let passed = matches!(&answer, Ok(Report { outcome, .. }) if outcome.passed());
        let output = if passed && !self.command.show_output {
            worker.capture.as_ref().map_or(Ok(()), Capture::discard).map(|()| None)
        } else {
            worker.take_output((!passed).then_some(whole_output))
        };
        match answer {
            Ok(report) => {
                if output.is_ok() && !fresh && report.traces.is_empty() {
                    self.give_back(worker);
                }
                Attempt {
                    outcome: report.outcome,
                    output: output.ok().flatten(),
                    duration: Duration::from_micros(report.micros),
                    traces: report.traces,
                }
            }
            Err(lost) => {
                let outcome = lost.outcome(worker.end());
                // Those that the case is known to have started are ended in order; what else is left bears its trace.
                process::wait_for_end(&assignment.grants.temp);
                let traces = traces::named_children(&worker.brood.end());
                let output = output.ok().flatten();
                Attempt { outcome, output, duration: began.elapsed(), traces }
            }
        }
    }

    /// Ends the idle workers.
    pub(super) fn end(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self, environment: &Environment) -> Option<Worker> {
        let mut idle = self.idle();
        idle.retain(|worker| !worker.exited.wait(Duration::ZERO));
        let position = idle.iter().rposition(|worker| worker.environment == *environment)?;
        Some(idle.remove(position))
    }

    fn give_back(&self, worker: Worker) {
        let mut idle = self.idle();
        idle.push(worker);
        let surplus = (idle.len() > self.keep).then(|| idle.remove(0));
        drop(idle);
        drop(surplus);
    }

    /// Starts a worker and gives it a case.
    fn start_with(
        &self,
        case: &str,
        environment: Environment,
        assignment: &Assignment,
    ) -> io::Result<Worker> {
        let worker = self.start(case, environment)?;
        worker.assign(assignment)?;
        Ok(worker)
    }

    fn start(&self, case: &str, environment: Environment) -> io::Result<Worker> {
        let (control, theirs) = UnixStream::pair()?;
        let brood = Brood::new();
        let capture = self.command.capture.then(|| Capture::new(&self.captures)).transpose()?;
        let mut command = own_program::command();
        command
            .args((self.command.arguments)(case))
            .envs(self.command.environment.iter().map(|(name, value)| (name, value)))
            .stdin(OwnedFd::from(theirs))
            .process_group(0);
        let (name, value) = brood.variable();
        command.env(name, value);
        for (name, value) in &environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(capture) = &capture {
            command.stdout(capture.stream()?).stderr(capture.stream()?);
        }
        let child = command.spawn()?;
        let group = Some(process_groups::join(&child));
        let (exited, inbox) = (Exited::of(&child), Inbox::default());
        Ok(Worker { exited, child, group, control, inbox, brood, capture, environment })
    }
}

/// A case that wants a worker.
pub(super) struct Request<'a> {
    /// Its name.
    pub(super) case: &'static str,
    pub(super) assignment: &'a Assignment,
    /// What the worker must have been started with.
    pub(super) environment: Environment,
    /// Whether the worker must have run nothing before, and will run nothing after.
    pub(super) fresh: bool,
    /// How long the case may take.
    pub(super) timeout: Option<Duration>,
    /// Where all of its output goes if it fails and printed more than is shown.
    pub(super) whole_output: &'a Path,
    /// Where what it notes goes.
    pub(super) notes: &'a Notes,
}

/// A worker process.
struct Worker {
    child: Child,
    /// Until the child is waited for.
    group: Option<Membership>,
    brood: Brood,
    exited: Exited,
    control: UnixStream,
    inbox: Inbox,
    capture: Option<Capture>,
    /// What it was started with; a case that needs another gets another worker.
    environment: Environment,
}

/// Why a worker gave no report.
enum Lost {
    /// It ended, or closed its socket.
    Ended,
    /// What it said made no sense.
    Garbled(WireError),
    /// It had its time.
    TimedOut(Duration),
}

impl Lost {
    fn outcome(self, status: io::Result<ExitStatus>) -> Outcome {
        if let Some(signal) = interrupt::told_to_stop() {
            return Outcome::interrupted(signal);
        }
        let message = match (self, status) {
            (Self::TimedOut(limit), _) => return Outcome::timed_out(limit),
            (Self::Garbled(error), _) => {
                format!("what its process said to the harness is garbled: {error}")
            }
            (Self::Ended, Ok(status)) => match status.code() {
                Some(code) => {
                    format!("its process exited with code {code} before the case was finished")
                }
                None if status.signal() == Some(libc::SIGKILL) => format!(
                    "its process was killed by {status}, as the kernel does where memory runs out (dmesg tells)"
                ),
                None => format!("its process was killed by {status}"),
            },
            (Self::Ended, Err(error)) => format!("its process is gone: {error}"),
        };
        Outcome::Crashed { message }
    }
}

impl Worker {
    /// Hands over a case.
    fn assign(&self, assignment: &Assignment) -> io::Result<()> {
        wire::send(&self.control, &Order::Run(assignment.clone()))
    }

    /// Waits for what became of the case.
    fn report(&mut self, timeout: Option<Duration>, noted: impl Fn(Note)) -> Result<Report, Lost> {
        let waited = Stopwatch::start();
        while let Some(answer) = self.answer(timeout, waited)? {
            match answer {
                Answer::Ended(report) => return Ok(report),
                Answer::Noted(note) => noted(note),
                // Nobody has asked for them.
                Answer::StacksPrinted => {}
            }
        }
        // Whatever it answers now, or whether it does, its time is over.
        if wire::send(&self.control, &Order::PrintStacks).is_ok() {
            self.wait_for_stacks();
        }
        self.terminate();
        Err(Lost::TimedOut(timeout.unwrap_or_default()))
    }

    fn wait_for_stacks(&mut self) {
        let waited = Stopwatch::start();
        while let Ok(Some(answer)) = self.answer(Some(STACKS_WITHIN), waited) {
            if let Answer::StacksPrinted = answer {
                return;
            }
        }
    }

    /// Waits for an answer; none if it takes longer than that.
    fn answer(
        &mut self,
        within: Option<Duration>,
        waited: Stopwatch,
    ) -> Result<Option<Answer>, Lost> {
        loop {
            if let Some(answer) = self.inbox.next().map_err(Lost::Garbled)? {
                return Ok(Some(answer));
            }
            let left = within.map(|within| within.saturating_sub(waited.elapsed()));
            if !self.exited.wait_readable(&self.control, left).map_err(|_| Lost::Ended)? {
                if left == Some(Duration::ZERO) {
                    return Ok(None);
                }
                // The run may have stood still meanwhile.
                continue;
            }
            if !self.inbox.receive(&self.control).is_ok_and(|read| read > 0) {
                return Err(Lost::Ended);
            }
        }
    }

    /// Asks the process and all that it started to end, and waits a little for it.
    fn terminate(&self) {
        self.signal(Signal::TERM);
        self.exited.wait(TERMINATE_WITHIN);
    }

    /// Takes what the case printed; all of it goes to `whole` if that is named and it is long.
    fn take_output(&self, whole: Option<&Path>) -> io::Result<Option<Output>> {
        self.capture.as_ref().map(|capture| capture.take(whole)).transpose()
    }

    /// Has the process end, kills what it left behind, and says how it ended.
    fn end(&mut self) -> io::Result<ExitStatus> {
        // One that is busy, or hears nothing, is killed below.
        let _ = wire::send(&self.control, &Order::End);
        let _ = self.control.shutdown(std::net::Shutdown::Both);
        let pid = Pid::from_child(&self.child);
        if !self.exited.wait(END_WITHIN) {
            self.signal(Signal::KILL);
        }
        // Until it is waited for, its process group is still its own.
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        self.signal(Signal::KILL);
        self.group = None;
        self.child.wait()
    }

    /// Sends a signal to the process and all that it started.
    fn signal(&self, signal: Signal) {
        if let Some(group) = &self.group {
            group.signal(signal);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            // A failure leaves a process that the operating system no longer knows.
            let _ = self.end();
        }
    }
}

/// Tells when a process has exited, even while a process that it forked holds its socket.
struct Exited {
    #[cfg(target_os = "linux")]
    pidfd: Option<OwnedFd>,
}

impl Exited {
    #[cfg(target_os = "linux")]
    fn of(child: &Child) -> Self {
        let flags = rustix::process::PidfdFlags::empty();
        // An old kernel has none, a strict sandbox may refuse it.
        Self { pidfd: rustix::process::pidfd_open(Pid::from_child(child), flags).ok() }
    }

    #[cfg(not(target_os = "linux"))]
    fn of(_child: &Child) -> Self {
        Self {}
    }

    /// Waits until `control` can be read, or its end or the process's is reached; false if that takes longer than
    /// `within`.
    fn wait_readable(&self, control: &UnixStream, within: Option<Duration>) -> io::Result<bool> {
        let mut waited_for = vec![PollFd::new(control, PollFlags::IN)];
        waited_for.extend(self.exit());
        let ready = wait(&mut waited_for, within)?;
        if waited_for.get(1).is_some_and(|exit| !exit.revents().is_empty()) {
            // What it said before it exited is still to be read, but nobody may keep us waiting for more.
            control.set_nonblocking(true)?;
        }
        Ok(ready)
    }

    /// Waits for the exit; whether it came in time. Where the system cannot tell, it did not.
    fn wait(&self, within: Duration) -> bool {
        self.exit().is_some_and(|exit| wait(&mut [exit], Some(within)).unwrap_or(false))
    }

    /// What becomes readable when the process exits.
    fn exit(&self) -> Option<PollFd<'_>> {
        #[cfg(target_os = "linux")]
        return self.pidfd.as_ref().map(|pidfd| PollFd::new(pidfd, PollFlags::IN));
        #[cfg(not(target_os = "linux"))]
        return None;
    }
}

/// Waits until one of these is ready; false if that takes longer than `within`.
fn wait(waited_for: &mut [PollFd<'_>], within: Option<Duration>) -> io::Result<bool> {
    let within = within.map(timespec);
    Ok(rustix::io::retry_on_intr(|| poll(waited_for, within.as_ref()))? > 0)
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
