//! Processes of the user's own, for cases that try whole programs: started with the case's environment, waited for,
//! watched, and ended with all that they started.

mod command;
mod error;
mod household;
mod line_pattern;
mod log;
mod ready;
mod running;
mod suspension;
mod tree;
mod wait;
mod watchdog;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;

use rustix::process::Signal;

pub use command::ProcessCommand;
pub use error::ProcessError;
pub(crate) use household::{Household, end_all};
pub use line_pattern::LinePattern;
pub(crate) use log::FoundLog;
pub use log::Tail;
pub use ready::Ready;
use running::Running;
pub(crate) use suspension::suspend;
pub use wait::Wait;
pub(crate) use watchdog::wait_for_end;

/// A process that a case started: see [`Processes`](crate::Processes).
///
/// It is the case's, not this value's: dropping this ends nothing. Clones mean the same process.
#[derive(Clone)]
pub struct Process {
    running: Arc<Running>,
    household: Arc<Household>,
}

impl Process {
    fn new(running: Arc<Running>, household: Arc<Household>) -> Self {
        Self { running, household }
    }

    /// What it is called in errors: its program's file name, with a number from the second of a name on.
    pub fn name(&self) -> &str {
        &self.running.name
    }

    /// Its number, and that of its process group.
    pub fn pid(&self) -> u32 {
        self.running.pid().as_raw_nonzero().get().cast_unsigned()
    }

    /// What it printed so far, standard output and error as they came.
    pub fn log(&self) -> String {
        let bytes = fs::read(&self.running.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The file that its log is in; kept where the case does not pass.
    pub fn log_path(&self) -> &Path {
        &self.running.log
    }

    /// Waits for a line that matches, and returns it: the first one after the line that was found last. Those between
    /// are passed over.
    ///
    /// # Errors
    ///
    /// It ends without such a line, or prints none within its [`patience`](ProcessCommand::patience).
    pub fn wait_for_line(
        &self,
        pattern: impl Into<LinePattern>,
    ) -> Wait<Result<String, ProcessError>> {
        let (running, pattern) = (Arc::clone(&self.running), pattern.into());
        Wait::new(move |abandoned| running.wait_for_line(&pattern, abandoned))
    }

    /// Writes a line to its standard input, which [`ProcessCommand::input`] made a pipe.
    ///
    /// # Errors
    ///
    /// It has no pipe for its input, has closed it, or has ended.
    pub fn write_line(&self, line: &str) -> Result<(), ProcessError> {
        self.running.write(&format!("{line}\n"))
    }

    /// Ends its standard input.
    pub fn close_input(&self) {
        self.running.close_input();
    }

    /// Waits until it has ended by itself, which it may from now on.
    ///
    /// # Errors
    ///
    /// It does not end within its [`patience`](ProcessCommand::patience).
    pub fn wait(&self) -> Wait<Result<ExitStatus, ProcessError>> {
        self.running.may_end();
        let running = Arc::clone(&self.running);
        Wait::new(move |abandoned| running.wait(abandoned))
    }

    /// Ends it and all that it started, as an init system would: SIGTERM, [grace](ProcessCommand::grace), SIGKILL.
    ///
    /// # Errors
    ///
    /// Not even SIGKILL ended it.
    pub fn stop(&self) -> Wait<Result<ExitStatus, ProcessError>> {
        self.end(true)
    }

    /// Ends it and all that it started as a crash would: SIGKILL.
    ///
    /// # Errors
    ///
    /// Not even that ended it.
    pub fn kill(&self) -> Wait<Result<ExitStatus, ProcessError>> {
        self.end(false)
    }

    fn end(&self, ask: bool) -> Wait<Result<ExitStatus, ProcessError>> {
        self.running.may_end();
        let Self { running, household } = self.clone();
        Wait::new(move |abandoned| {
            household.end(&running, ask);
            running.wait(abandoned)
        })
    }

    /// Sends a signal, such as `libc::SIGUSR1`, to it and all that it started. After one that asks it to end (SIGTERM,
    /// SIGINT, SIGQUIT, SIGHUP, SIGABRT, SIGKILL) it may.
    ///
    /// # Panics
    ///
    /// There is no such signal.
    pub fn signal(&self, number: i32) {
        let signal = Signal::from_named_raw(number);
        let signal = signal.unwrap_or_else(|| panic!("{number} is the number of no signal"));
        if [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP, Signal::ABORT, Signal::KILL]
            .contains(&signal)
        {
            self.running.may_end();
        }
        self.running.signal(signal);
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("name", &self.name()).field("pid", &self.pid()).finish()
    }
}
