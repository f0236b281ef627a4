//! A worker, as the controller sees it: a process that is handed cases, and says what became of them.

use std::io::{self, Write};
use std::mem;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::brood::Brood;
use super::capture::Capture;
use super::environment::Environment;
use super::wire::{self, Answer, Inbox, Order, WireError};
use super::workers::WorkerCommand;
use super::{Outcome, Output, traces};
use crate::interrupt;
use crate::own_program;
use crate::process_groups::{self, Membership, Stopwatch};

/// How long an idle worker may take to end once it is no longer needed.
const END_WITHIN: Duration = Duration::from_secs(2);

/// How long a case that had its time may take to end when it is asked to (SIGTERM), before it is killed.
const TERMINATE_WITHIN: Duration = Duration::from_secs(2);

/// How long the threads of such a case may take to print where they stand.
const STACKS_WITHIN: Duration = Duration::from_secs(5);

/// How much of what cases printed may lie in the file before it is emptied: that costs more than to print a line.
const MOST_KEPT: u64 = 1 << 20;

/// A worker process.
pub(super) struct WorkerProcess {
    child: Child,
    /// Until the child is waited for.
    group: Option<Membership>,
    brood: Brood,
    exited: Exited,
    control: UnixStream,
    inbox: Inbox,
    capture: Option<Capture>,
    /// How much of what it printed belongs to cases that have ended.
    printed: u64,
    /// What it was started with; a case that needs another gets another worker.
    pub(super) environment: Environment,
}

/// Why a worker gave no report.
pub(super) enum Lost {
    /// It ended, or closed its socket.
    Ended,
    /// What it said made no sense.
    Garbled(WireError),
    /// It had its time.
    TimedOut(Duration),
}

impl Lost {
    /// What that makes of the case that ran.
    pub(super) fn outcome(self, status: io::Result<ExitStatus>) -> Outcome {
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

impl WorkerProcess {
    /// Starts one for the case of this name; the file for what it prints is made in `captures`.
    pub(super) fn start(
        how: &WorkerCommand,
        captures: &Path,
        case: &str,
        environment: Environment,
    ) -> io::Result<Self> {
        let (control, theirs) = UnixStream::pair()?;
        let brood = Brood::new();
        let capture = how.capture.then(|| Capture::new(captures)).transpose()?;
        let mut command = own_program::command();
        command
            .args((how.arguments)(case))
            .envs(how.environment.iter().map(|(name, value)| (name, value)))
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
        Ok(Self { exited, child, group, control, inbox, brood, capture, printed: 0, environment })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn has_exited(&self) -> bool {
        self.exited.wait(Duration::ZERO)
    }

    /// Hands over orders, as [`wire::put`] lays them out.
    pub(super) fn order(&self, orders: &[u8]) -> io::Result<()> {
        (&self.control).write_all(orders)
    }

    /// An answer that is there.
    pub(super) fn answer(&mut self) -> Result<Option<Answer>, Lost> {
        self.inbox.next().map_err(Lost::Garbled)
    }

    /// Waits for more answers, but no longer than that; an answer may be there only in part.
    pub(super) fn wait(&mut self, within: Option<Duration>) -> Result<(), Lost> {
        let ready = self.exited.wait_readable(&self.control, within);
        match ready.map_err(|_| Lost::Ended)? {
            true if !self.inbox.receive(&self.control).is_ok_and(|read| read > 0) => {
                Err(Lost::Ended)
            }
            _ => Ok(()),
        }
    }

    /// Ends the case that runs, because it had its time: its threads are asked where they stand, and the process and
    /// all that it started are asked to end.
    pub(super) fn give_up(&mut self) {
        // Whatever it answers now, or whether it does, its time is over.
        if wire::send(&self.control, &Order::PrintStacks).is_ok() {
            self.wait_for_stacks();
        }
        self.signal(Signal::TERM);
        self.exited.wait(TERMINATE_WITHIN);
    }

    fn wait_for_stacks(&mut self) {
        let waited = Stopwatch::start();
        loop {
            match self.answer() {
                Ok(Some(Answer::StacksPrinted)) | Err(_) => return,
                Ok(Some(_)) => {}
                Ok(None) => {
                    let left = STACKS_WITHIN.saturating_sub(waited.elapsed());
                    if left.is_zero() || self.wait(Some(left)).is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// What the case printed that ended when the worker had printed so much in all, or until now; all of it goes to
    /// `whole` if that is named and it is long.
    pub(super) fn take_output(
        &mut self,
        end: Option<u64>,
        whole: Option<&Path>,
    ) -> io::Result<Option<Output>> {
        let Some(capture) = &self.capture else { return Ok(None) };
        let end = end.map_or_else(|| capture.length(), Ok)?;
        let start = mem::replace(&mut self.printed, end);
        capture.read(start..end, whole).map(Some)
    }

    /// Nobody wants to know what the case printed that ended when the worker had printed so much in all.
    pub(super) fn skip_output(&mut self, end: u64) {
        self.printed = end;
    }

    /// Whether so much has been printed that the file should be emptied before it is handed more.
    pub(super) fn is_full(&self) -> bool {
        self.capture.is_some() && self.printed > MOST_KEPT
    }

    /// Empties the file of what was printed, if it is worth the while. No case may be running.
    pub(super) fn make_room(&mut self) -> io::Result<()> {
        if let (true, Some(capture)) = (self.is_full(), &self.capture) {
            capture.empty()?;
            self.printed = 0;
        }
        Ok(())
    }

    /// Kills the process and all that it started.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Has the process end, kills what it left behind, and says how it ended.
    pub(super) fn end(&mut self) -> io::Result<ExitStatus> {
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

    /// Kills what its cases started that has left its process group, once it has ended; what that was, in words.
    pub(super) fn end_brood(&self) -> Vec<String> {
        traces::named_children(&self.brood.end())
    }

    /// Sends a signal to the process and all that it started.
    fn signal(&self, signal: Signal) {
        if let Some(group) = &self.group {
            group.signal(signal);
        }
    }
}

impl Drop for WorkerProcess {
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
