use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::log::Cursor;
use super::wait::Abandoned;
use super::{LinePattern, ProcessError, Tail, tree};
use crate::allowance::Allowance;

/// How often a wait looks whether anybody still waits.
const GLANCE: Duration = Duration::from_millis(50);

/// The most that passes between two glances, unless the process stood still.
const GLANCED_WITHIN: Duration = Duration::from_millis(200);

/// How long the last lines of a process that has ended may take to be there: one that it left behind may hold its
/// output open.
const LAST_LINES_WITHIN: Duration = Duration::from_millis(500);

/// How long a process may outlive its SIGKILL.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// A process of a case, while the case runs.
pub(super) struct Running {
    pub(super) name: String,
    pub(super) log: PathBuf,
    /// How long it may take to become ready, to print a line, to end by itself.
    pub(super) patience: Duration,
    /// How long it may take to end when it is asked to.
    pub(super) grace: Duration,
    pub(super) mark: String,
    pid: Pid,
    /// Until it is waited for, which is last: its number means its group, too.
    child: Mutex<Option<Child>>,
    input: Mutex<Option<ChildStdin>>,
    cursor: Mutex<Cursor>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) exit: Option<ExitStatus>,
    /// Whether its end would be the end of the case.
    pub(super) needed: bool,
    log_ended: bool,
}

impl Running {
    pub(super) fn new(
        name: String,
        log: PathBuf,
        (patience, grace): (Duration, Duration),
        mark: String,
        mut child: Child,
    ) -> Self {
        Self {
            name,
            log,
            patience,
            grace,
            mark,
            pid: Pid::from_child(&child),
            input: Mutex::new(child.stdin.take()),
            child: Mutex::new(Some(child)),
            cursor: Mutex::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn tail(&self) -> Tail {
        Tail::of(&self.log)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its log has more lines.
    pub(super) fn log_grew(&self) {
        drop(self.state());
        self.changed.notify_all();
    }

    /// Its log has all its lines.
    pub(super) fn log_ended(&self) {
        self.state().log_ended = true;
        self.changed.notify_all();
    }

    /// Waits, on the thread made for it, until the process has ended.
    pub(super) fn wait_for_exit(&self) {
        let status = loop {
            match exit_of(self.pid, WaitIdOptions::empty()) {
                Ok(Some(status)) => break status,
                Ok(None) => {}
                // Somebody else has waited for it, and knows how it ended.
                Err(_) => break ExitStatus::default(),
            }
        };
        self.state().exit.get_or_insert(status);
        self.changed.notify_all();
    }

    /// How it ended, if it has.
    pub(super) fn exit(&self) -> Option<ExitStatus> {
        let mut state = self.state();
        if state.exit.is_none() {
            // The thread that waits for it may not have come to say so.
            state.exit = exit_of(self.pid, WaitIdOptions::NOHANG).ok().flatten();
        }
        state.exit
    }

    /// Its end is the end of the case from now on; false where it has ended already.
    pub(super) fn is_needed_from_now_on(&self) -> bool {
        let mut state = self.state();
        state.needed = state.exit.is_none();
        state.needed
    }

    /// It may end from now on.
    pub(super) fn may_end(&self) {
        self.state().needed = false;
    }

    /// Waits until `look` finds something, for so long at most; it is asked anew whenever the process may have changed.
    pub(super) fn wait_until<T>(
        &self,
        within: Duration,
        abandoned: &Abandoned,
        mut look: impl FnMut(&State) -> Option<T>,
    ) -> Option<T> {
        let mut allowance = Allowance::of(within, GLANCED_WITHIN);
        let mut state = self.state();
        loop {
            if let Some(found) = look(&state) {
                return Some(found);
            }
            let left = allowance.left();
            if left.is_zero() || abandoned.is_set() {
                return None;
            }
            let waited = self.changed.wait_timeout(state, left.min(GLANCE));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits a little for the rest of its log, once it has ended.
    pub(super) fn wait_for_last_lines(&self) {
        self.wait_until(LAST_LINES_WITHIN, &Abandoned::default(), |state| {
            state.log_ended.then_some(())
        });
    }

    /// Waits for the next line that matches.
    pub(super) fn wait_for_line(
        &self,
        pattern: &LinePattern,
        abandoned: &Abandoned,
    ) -> Result<String, ProcessError> {
        let mut cursor = self.cursor.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ended_for = None;
        let found = self.wait_until(self.patience, abandoned, |state| {
            let line = cursor.next(&self.log, state.log_ended, pattern);
            if line.is_some() {
                return Some(line);
            }
            // What it printed last may still be on its way.
            let over = state.exit.is_some() && {
                let ended: &mut Instant = ended_for.get_or_insert_with(Instant::now);
                state.log_ended || ended.elapsed() >= LAST_LINES_WITHIN
            };
            over.then_some(None)
        });
        match found.flatten() {
            Some(line) => Ok(line),
            None => Err(self.came_to_nothing(format!("it printed {pattern}"))),
        }
    }

    /// What is said where something that was waited for did not come.
    pub(super) fn came_to_nothing(&self, awaited: String) -> ProcessError {
        let name = self.name.clone();
        match self.exit() {
            Some(status) => {
                self.wait_for_last_lines();
                ProcessError::Ended { name, status, awaited, tail: self.tail() }
            }
            None => {
                ProcessError::InVain { name, awaited, patience: self.patience, tail: self.tail() }
            }
        }
    }

    /// Waits until it ends by itself.
    pub(super) fn wait(&self, abandoned: &Abandoned) -> Result<ExitStatus, ProcessError> {
        let exit = self.wait_until(self.patience, abandoned, |state| state.exit);
        let exit = exit.ok_or_else(|| self.came_to_nothing("it ended".into()))?;
        self.wait_for_last_lines();
        Ok(exit)
    }

    pub(super) fn write(&self, text: &str) -> Result<(), ProcessError> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let written = match &mut *input {
            Some(pipe) => pipe.write_all(text.as_bytes()),
            None => Err(io::Error::other(
                "its standard input is not a pipe (`ProcessCommand::input`), or was closed",
            )),
        };
        written.map_err(|error| ProcessError::Input { name: self.name.clone(), error })
    }

    pub(super) fn close_input(&self) {
        self.input.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Sends a signal to the process and all that it started, if it has not ended and been waited for.
    pub(super) fn signal(&self, signal: Signal) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.is_some() {
            tree::signal(self.pid, &self.mark, signal);
        }
    }

    /// Whether it and all that it started have ended.
    fn is_gone(&self) -> bool {
        self.exit().is_some() && tree::members(self.pid, &self.mark).is_empty()
    }

    /// Kills what is left of the tree, and forgets its number.
    fn kill(&self) {
        let began = Instant::now();
        loop {
            self.signal(Signal::KILL);
            if self.is_gone() || began.elapsed() > KILLED_WITHIN {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut child) = child.take_if(|_| self.exit().is_some()) {
            // Those of its tree that this process adopted are waited for when the case is over.
            let _ = child.wait();
        }
    }
}

/// Ends processes with all that they started: they are asked to, if `ask` says so, have their grace, and are killed.
pub(super) fn end(processes: &[Arc<Running>], ask: bool) {
    for process in processes {
        process.may_end();
        if ask {
            process.signal(Signal::TERM);
            // One that was stopped hears it then.
            process.signal(Signal::CONT);
        }
    }
    let began = Instant::now();
    let is_waited_for =
        |process: &Arc<Running>| began.elapsed() < process.grace && !process.is_gone();
    while ask && processes.iter().any(is_waited_for) {
        thread::sleep(Duration::from_millis(2));
    }
    for process in processes {
        process.kill();
        process.close_input();
        process.wait_for_last_lines();
    }
}

/// How a child of this process ended, if it has; its number stays its own.
fn exit_of(pid: Pid, options: WaitIdOptions) -> rustix::io::Result<Option<ExitStatus>> {
    let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    let status = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(pid), options))?;
    Ok(status.map(|status| {
        // As wait(2) puts it together.
        let code = status.exit_status().unwrap_or_default() << 8;
        ExitStatus::from_raw(code | status.terminating_signal().unwrap_or_default())
    }))
}
