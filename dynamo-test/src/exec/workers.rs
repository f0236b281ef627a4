//! The controller's side of the workers: who is idle, what each is handed, and what becomes of it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::deadlines::Deadline;
use super::environment::Environment;
use super::finished::Attempt;
use super::hand_out::HandOut;
use super::round::Round;
use super::traces;
use super::wire::Assignment;
use super::worker_process::WorkerProcess;
use crate::case::Case;

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

/// A case that wants a worker.
pub(super) struct Request {
    pub(super) case: Arc<Case>,
    pub(super) assignment: Assignment,
    pub(super) round: Round,
    pub(super) deadline: Deadline,
}

/// Cases for workers, one after the other, and who is told of them.
pub(super) trait Cases {
    /// The next one; none where no more is to begin for now.
    fn next(&mut self) -> Option<Request>;
    /// These have not begun after all; the first of them comes next.
    fn take_back(&mut self, requests: VecDeque<Request>);
    /// This one runs, in this process. One that was over before anybody looked is not told of.
    fn runs(&mut self, request: &Request, pid: u32);
    /// The one that runs has something for the record.
    fn noted(&mut self, request: &Request, note: Value);
    /// The one that runs has ended; its process is still there, or was until now.
    fn answered(&mut self);
    /// This is what became of one.
    fn ended(&mut self, request: Request, attempt: Attempt);
    /// How many a worker may have before it at most.
    fn ahead(&self) -> usize;
    /// Nothing more happens for a moment: what is known can be passed on.
    fn settle(&mut self);
}

/// The workers of a run.
pub(crate) struct Workers {
    pub(super) command: WorkerCommand,
    /// Where the files that keep what cases print are made, and those that keep the whole of it.
    pub(super) outputs: PathBuf,
    /// How many workers may stay idle.
    keep: usize,
    /// The one used last at the end.
    idle: Mutex<Vec<WorkerProcess>>,
}

impl Workers {
    pub(super) fn new(command: WorkerCommand, outputs: PathBuf, keep: usize) -> Self {
        let keep = if command.reuse { keep } else { 0 };
        // What a worker that dies leaves behind is found among this process's children.
        traces::adopt_orphans();
        Self { command, outputs, keep, idle: Mutex::default() }
    }

    /// Runs cases until there is no next one, in one worker after the other. All are for workers that were started with
    /// this environment; `fresh` ones have run nothing before, and will run nothing after.
    pub(super) fn run(&self, environment: &Environment, fresh: bool, cases: &mut impl Cases) {
        while let Some(next) = cases.next() {
            let idle = (!fresh).then(|| self.take_idle(environment)).flatten();
            let worker = match idle {
                Some(worker) => Ok((worker, false)),
                None => {
                    let environment = environment.clone();
                    let started = WorkerProcess::start(
                        &self.command,
                        &self.outputs,
                        next.case.name(),
                        environment,
                    );
                    started.map(|worker| (worker, true))
                }
            };
            match worker {
                Ok(worker) => {
                    let left = HandOut::new(self, worker, cases, next).run();
                    if let Some(worker) = left.filter(|_| !fresh) {
                        self.give_back(worker);
                    }
                }
                Err(error) => {
                    let attempt = Attempt::error(format!("no worker could be started: {error}"));
                    cases.ended(next, attempt);
                }
            }
        }
    }

    /// Where all of a case's output goes if it did not pass and printed more than is shown.
    pub(super) fn whole_output(&self, request: &Request) -> PathBuf {
        whole_output(&self.outputs, &request.case, request.round)
    }

    /// Ends the idle workers.
    pub(super) fn end(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> MutexGuard<'_, Vec<WorkerProcess>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_idle(&self, environment: &Environment) -> Option<WorkerProcess> {
        let mut idle = self.idle();
        idle.retain(|worker| !worker.has_exited());
        let position = idle.iter().rposition(|worker| worker.environment == *environment)?;
        Some(idle.remove(position))
    }

    fn give_back(&self, worker: WorkerProcess) {
        let mut idle = self.idle();
        idle.push(worker);
        let surplus = (idle.len() > self.keep).then(|| idle.remove(0));
        drop(idle);
        drop(surplus);
    }
}

/// Where all that a case printed goes: a file in the folder for such.
pub(super) fn whole_output(outputs: &Path, case: &Case, round: Round) -> PathBuf {
    // Longer names are no names of files.
    let name: String = case.name().replace("::", "-").chars().take(100).collect();
    outputs.join(format!("{}-{name}{}.log", case.index, round.suffix()))
}
