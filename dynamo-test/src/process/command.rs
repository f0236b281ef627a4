use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use super::household::{self, Household, Prepared};
use super::log::{self, Cursor};
use super::ready::{self, Condition};
use super::running::Running;
use super::wait::Abandoned;
use super::{Process, ProcessError, Ready, Wait, tree};
use crate::allowance::Allowance;
use crate::aside::aside;

/// How long a process may take to become ready, if its command does not say.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a process may take to end when it is asked to, if its command does not say.
const GRACE: Duration = Duration::from_secs(2);

/// How long it may take at most to ask a process whether it is ready.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// How often a process is asked whether it is ready.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// How a process of the case is started; made by [`Processes::command`](crate::Processes::command).
#[must_use = "it starts nothing before `start`"]
pub struct ProcessCommand {
    household: Arc<Household>,
    command: Command,
    name: String,
    ready: Vec<Condition>,
    patience: Duration,
    grace: Duration,
    may_end: bool,
}

impl ProcessCommand {
    pub(crate) fn new(household: Arc<Household>, program: &OsStr) -> Self {
        let mut command = Command::new(program);
        command.stdin(Stdio::null());
        Self {
            household,
            name: household::name_of(program),
            command,
            ready: Vec::new(),
            patience: PATIENCE,
            grace: GRACE,
            may_end: false,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable, beside those that the case has.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets variables, beside those that the case has.
    pub fn envs(
        mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        self.command.envs(variables);
        self
    }

    /// Removes a variable that the case has.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(name);
        self
    }

    /// The folder that it runs in; else the case's own.
    pub fn current_dir(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// What it is called in errors, and its log's file; else by its program. A second of the same name gets a number.
    pub fn name(mut self, name: &str) -> Self {
        self.name = household::name_of(name.as_ref());
        self
    }

    /// Its standard input is a pipe, for [`Process::write_line`]; else it is empty.
    pub fn input(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// How one sees that it is ready for use. Called several times, all must hold; not called, it is ready when it
    /// runs.
    pub fn ready(mut self, when: Ready) -> Self {
        self.ready.push(when.0);
        self
    }

    /// How long it may take to become ready, to print what is waited for, and to end by itself where that is waited
    /// for; 30 s by default.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How long it may take to end after SIGTERM, before SIGKILL; 2 s by default.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// It may end by itself, before the case does. The end of any other fails the case.
    pub fn may_end(mut self) -> Self {
        self.may_end = true;
        self
    }

    /// Starts it, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The program cannot be started; the port of its readiness is taken; it ends before it is ready, or is not ready
    /// in time. Then it is ended, and the error quotes the end of its log.
    pub fn start(self) -> Wait<Result<Process, ProcessError>> {
        Wait::new(move |abandoned| self.start_now(abandoned))
    }

    fn start_now(mut self, abandoned: &Abandoned) -> Result<Process, ProcessError> {
        for port in self.ready.iter().filter_map(Condition::port) {
            if ready::connect(port).is_ok() {
                return Err(ProcessError::PortTaken { name: self.name, port });
            }
        }
        let process = self.spawn()?;
        if let Err(error) = self.wait_until_ready(&process, abandoned) {
            self.household.end(&process, true);
            return Err(error);
        }
        Ok(Process::new(process, self.household))
    }

    fn spawn(&mut self) -> Result<Arc<Running>, ProcessError> {
        let not_prepared = |error| ProcessError::NotPrepared { name: self.name.clone(), error };
        let (prepared, file) = self.household.prepare(&self.name).map_err(not_prepared)?;
        let Prepared { name, log, mark } = prepared;
        let (lines, output) = io::pipe().map_err(not_prepared)?;
        let errors = output.try_clone().map_err(not_prepared)?;
        self.command.stdout(output).stderr(errors).env(tree::MARK, &mark).process_group(0);
        let spawned = self.household.spawn(&mut self.command);
        // This process's own ends of the pipe, which would keep it open.
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = spawned.map_err(|error| self.not_started(error))?;
        let process = Running::new(name, log, (self.patience, self.grace), mark, child);
        let process = Arc::new(process);
        let watched = follow(Arc::clone(&process), lines, file)
            .and_then(|()| self.household.take_on(Arc::clone(&process)));
        if let Err(error) = watched {
            self.household.end(&process, false);
            return Err(ProcessError::NotPrepared { name: process.name.clone(), error });
        }
        Ok(process)
    }

    fn not_started(&self, error: io::Error) -> ProcessError {
        let program = Path::new(self.command.get_program()).to_owned();
        if error.kind() != ErrorKind::NotFound {
            return ProcessError::NotStarted { program, error };
        }
        let folder = self.command.get_current_dir().map(Path::to_owned);
        if folder.as_ref().is_some_and(|folder| !folder.is_dir()) {
            let error = io::Error::other("the folder that it should run in is not there");
            return ProcessError::NotStarted { program, error };
        }
        let looked_in = if program.components().count() == 1 {
            "PATH".into()
        } else {
            env::current_dir().unwrap_or_default().display().to_string()
        };
        ProcessError::NotFound { program, looked_in }
    }

    fn wait_until_ready(
        &mut self,
        process: &Running,
        abandoned: &Abandoned,
    ) -> Result<(), ProcessError> {
        let mut patience = Allowance::of(process.patience, ASKED_WITHIN);
        for condition in &mut self.ready {
            let mut cursor = Cursor::default();
            loop {
                // Looked at first, so that nothing comes after the last question.
                let has_ended = process.exit().is_some();
                if has_ended {
                    process.wait_for_last_lines();
                }
                if condition.holds(|pattern| cursor.next(&process.log, has_ended, pattern)) {
                    break;
                }
                if has_ended || patience.left().is_zero() || abandoned.is_set() {
                    return Err(process.came_to_nothing(condition.to_string()));
                }
                process.wait_until(ASK_EVERY, abandoned, |state| state.exit);
            }
        }
        if self.may_end || process.is_needed_from_now_on() {
            return Ok(());
        }
        Err(process.came_to_nothing("it was used".into()))
    }
}

/// Copies what the process prints into its log.
fn follow(process: Arc<Running>, lines: io::PipeReader, file: File) -> io::Result<()> {
    aside(move || {
        log::copy(lines, file, || process.log_grew());
        process.log_ended();
    })
}
