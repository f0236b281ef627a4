//! What a case needs is leased, the case runs, and what befell it is judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use super::board::{Board, Entry};
use super::gpus::{Gpus, InUse};
use super::in_process::{self, Controller};
use super::janitor::Janitor;
use super::serial::{self, Groups};
use super::slots::{Slot, Slots};
use super::waits::Wait;
use super::wire::Assignment;
use super::workers::{Observer, Request, WorkerCommand, Workers};
use super::{Deadlines, GpuUse, Outcome, Output, Round, environment};
use crate::case::Case;
use crate::fixture::{Grants, Need, Notes, ServiceGrant};
use crate::gpu::GpuOptions;
use crate::process::FoundLog;
use crate::schedule::Durations;
use crate::secrets;
use crate::seed;
use crate::service::{Lease, ServiceError, ServiceOptions, Services, Want};
use crate::stop;

/// How a run executes its cases.
pub(crate) struct RunnerOptions {
    /// How many cases run at once.
    pub(crate) slots: usize,
    pub(crate) place: Place,
    /// Whether every case gets a process of its own.
    pub(crate) isolate: bool,
    /// How long the cases may take.
    pub(crate) deadlines: Deadlines,
    /// Where the lock files of serial groups are.
    pub(crate) serial: PathBuf,
    /// Where the run's temporary folders go.
    pub(crate) temp: PathBuf,
    pub(crate) services: ServiceOptions,
    /// Where the whole output of a failed case goes if it is too long to show.
    pub(crate) outputs: PathBuf,
    /// What the run is of, as others that wait for what it holds are told.
    pub(crate) name: String,
    /// Where it is written what the cases are doing.
    pub(crate) board: Arc<Board>,
    pub(crate) gpus: GpuOptions,
    /// How many cases with GPUs come at once, at the beginning.
    pub(crate) gpu_cases: usize,
    /// The file that keeps how long the cases took.
    pub(crate) durations: PathBuf,
    /// Where the cases' notes go.
    pub(crate) notes: Notes,
}

/// Where cases run.
pub(crate) enum Place {
    /// In this process, which runs nothing else: the only case.
    Alone,
    /// In this process, one after the other; those that need a process of their own, in workers.
    InTurn(WorkerCommand),
    /// In this process, beside others.
    Thread,
    /// In worker processes.
    Workers(WorkerCommand),
}

/// Executes the cases of a run.
pub(crate) struct Runner {
    slots: Slots,
    gpus: Gpus,
    durations: Durations,
    services: Arc<Services>,
    executor: Executor,
    janitor: Janitor,
    isolate: bool,
    deadlines: Deadlines,
    groups: Arc<Groups>,
    board: Arc<Board>,
    temp: PathBuf,
    outputs: PathBuf,
    notes: Notes,
}

/// [`Place`], set up.
enum Executor {
    Alone(Controller),
    InTurn(Controller, Workers),
    Thread,
    Workers(Workers),
}

/// What one execution of a case came to.
pub(super) struct Attempt {
    pub(super) outcome: Outcome,
    pub(super) output: Option<Output>,
    pub(super) duration: Duration,
    /// What it left in its process.
    pub(super) traces: Vec<String>,
}

impl Attempt {
    pub(super) fn error(message: impl ToString) -> Self {
        Self {
            outcome: Outcome::error(message),
            output: None,
            duration: Duration::ZERO,
            traces: Vec::new(),
        }
    }
}

/// A case that has run, with all a report may tell of it.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    /// What it printed, where that was captured.
    pub(crate) output: Option<Output>,
    /// Where all of its output is, if there is more than `output` holds.
    pub(crate) whole_output: Option<PathBuf>,
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
    /// What it left in its process, in words.
    pub(crate) traces: Vec<String>,
    /// The temporary folder that it left for inspection.
    pub(crate) kept: Option<PathBuf>,
    /// The logs of the processes that it started, if they are of interest.
    pub(crate) logs: Vec<FoundLog>,
    /// What it did with the GPUs it asked for.
    pub(crate) gpus: Option<GpuUse>,
}

impl Finished {
    /// Fails a case that passed where others would only be warned.
    pub(crate) fn judge_strictly(&mut self) {
        if !self.outcome.passed() {
            return;
        }
        if let Some(overdrawn) = self.gpus.as_ref().and_then(GpuUse::overdrawn) {
            self.outcome = Outcome::failed(format!("--strict: {overdrawn}"));
        } else if !self.traces.is_empty() {
            self.outcome = Outcome::failed(format!("--strict: it {}", self.traces.join("; ")));
        }
    }
}

/// What a case may run with: a slot, and its turn in its serial group if it is in one.
enum Admitted {
    /// Both are among it.
    WithGpus(InUse),
    Without(Slot, Option<serial::Turn>),
}

/// Passes on what happens while a case runs.
struct Progress<F> {
    started: Option<F>,
    gpus: Option<InUse>,
}

impl<F: FnOnce(u32)> Observer for Progress<F> {
    fn started(&mut self, pid: u32) {
        if let Some(started) = self.started.take() {
            started(pid);
        }
        if let Some(gpus) = &mut self.gpus {
            gpus.started(pid);
        }
    }

    fn answered(&mut self) {
        if let Some(gpus) = &mut self.gpus {
            gpus.answered();
        }
    }
}

impl Runner {
    pub(crate) fn new(options: RunnerOptions) -> Self {
        let RunnerOptions {
            slots,
            place,
            isolate,
            deadlines,
            serial,
            temp,
            services,
            outputs,
            name,
            board,
            gpus,
            gpu_cases,
            durations,
            notes,
        } = options;
        // Cases with services run in workers of other environments than those without.
        let keep = slots.saturating_mul(4);
        let workers = |command| Workers::new(command, outputs.clone(), keep);
        let executor = match place {
            Place::Alone => Executor::Alone(Controller::new()),
            Place::InTurn(command) => Executor::InTurn(Controller::new(), workers(command)),
            Place::Thread => Executor::Thread,
            Place::Workers(command) => Executor::Workers(workers(command)),
        };
        let slots = Slots::new(slots);
        let groups = Arc::new(Groups::new(serial, name.clone()));
        Self {
            gpus: Gpus::new(slots.clone(), gpus, name, Arc::clone(&groups), gpu_cases),
            durations: Durations::of(durations),
            slots,
            services: Arc::new(Services::new(services)),
            executor,
            janitor: Janitor::default(),
            isolate,
            deadlines,
            groups,
            board,
            temp,
            outputs,
            notes,
        }
    }

    /// How long the cases take.
    pub(crate) fn durations(&self) -> &Durations {
        &self.durations
    }

    /// Has the servers started that the first of these cases will need, so that they are there when those start.
    pub(crate) fn prepare<'a>(&self, cases: impl Iterator<Item = &'a Case>) {
        let mut wants: Vec<Want> = Vec::new();
        for (want, _) in cases.flat_map(|case| case.needs.services()) {
            if !wants.contains(want) {
                wants.push(*want);
            }
        }
        if wants.is_empty() {
            return;
        }
        let services = Arc::clone(&self.services);
        let prepare = move || {
            for want in wants {
                // What is in the way of it the first case that needs it will tell.
                let _ = services.prepare(want);
            }
        };
        if let Executor::Alone(_) | Executor::InTurn(..) = self.executor {
            // The environment changes before the first case starts, and no thread may read it then.
            return prepare();
        }
        // Without the thread they start later, which is all.
        let _ = thread::Builder::new().name("services".into()).spawn(prepare);
    }

    /// Waits until the case may run, then runs it. `started` is told the process that it runs in.
    pub(crate) fn run(&self, case: &Case, round: Round, started: impl FnOnce(u32)) -> Finished {
        let entry = self.board.enter(case.name());
        let admitted = self.admit(case, &entry);
        let seed = seed::of(round.seed, case.name());
        let temp = self.temp.join(format!("{}{}", case.index, round.suffix()));
        // Longer names are no names of files.
        let name: String = case.name().replace("::", "-").chars().take(100).collect();
        let whole_output =
            self.outputs.join(format!("{}-{name}{}.log", case.index, round.suffix()));
        if case.needs.uses_temp_dir() {
            self.janitor.watch(&self.temp);
        }
        let mut progress = Progress { started: Some(started), gpus: None };
        let mut without_gpus = None;
        let attempt = match (stop::reason(), admitted) {
            (Some(stop), _) => Attempt { outcome: Outcome::not_begun(stop), ..Attempt::error("") },
            (None, Err(error)) => Attempt::error(error),
            (None, Ok(admitted)) => {
                match admitted {
                    Admitted::WithGpus(in_use) => progress.gpus = Some(in_use),
                    Admitted::Without(slot, group) => without_gpus = Some((slot, group)),
                }
                let grants = Grants { seed, temp: temp.clone(), ..Grants::default() };
                self.provide(case, &entry, grants, &whole_output, &mut progress)
            }
        };
        if attempt.outcome.passed() {
            self.durations.note(case, attempt.duration);
        }
        let gpus = progress.gpus.as_ref().map(InUse::report);
        match progress.gpus {
            Some(in_use) => {
                self.gpus.leave(in_use);
            }
            None => {
                let was_in_group = matches!(without_gpus, Some((_, Some(_))));
                drop(without_gpus);
                if was_in_group {
                    self.gpus.group_is_free();
                } else {
                    self.gpus.slot_is_free();
                }
            }
        }
        let mut outcome = attempt.outcome.expected_by(case.definition, today);
        if let Some(text) = outcome.text_mut() {
            secrets::mask_in(text);
        }
        let left = (case.needs.uses_temp_dir() && temp.exists()).then_some(temp);
        let kept = left.filter(|folder| {
            let is_of_interest = outcome.is_a_failure();
            if is_of_interest {
                self.janitor.keep(folder);
            } else {
                // Nobody will look at what an interrupted case left, or at the rest of what a test has moved away.
                let _ = std::fs::remove_dir_all(folder);
            }
            is_of_interest
        });
        let is_cut = attempt.output.as_ref().is_some_and(|output| output.omitted > 0);
        Finished {
            outcome,
            output: attempt.output,
            whole_output: is_cut.then_some(whole_output).filter(|path| path.exists()),
            duration: attempt.duration,
            seed,
            traces: attempt.traces,
            logs: kept.as_deref().map(FoundLog::all_in).unwrap_or_default(),
            kept,
            gpus,
        }
    }

    /// Waits for a slot, for the turn in the case's serial group, and for the GPUs that it needs: one that waits for
    /// a group or for GPUs holds no slot, and one that waits for GPUs no group.
    fn admit(&self, case: &Case, entry: &Entry) -> Result<Admitted, String> {
        if case.definition.gpus > 0 {
            let expected = self.durations.expected(case);
            return self.gpus.enter(case, expected, entry).map(Admitted::WithGpus);
        }
        let turn = match case.definition.serial {
            Some(group) => self.groups.wait(group, case.name(), entry),
            None => Ok(None),
        };
        let turn = turn.map_err(|error| serial::no_lock(&error))?;
        Ok(Admitted::Without(self.slots.acquire(), turn))
    }

    /// Leases the services, then runs the case.
    fn provide(
        &self,
        case: &Case,
        entry: &Entry,
        mut grants: Grants,
        whole_output: &Path,
        progress: &mut Progress<impl FnOnce(u32)>,
    ) -> Attempt {
        grants.gpus = progress.gpus.as_ref().map(InUse::grants).unwrap_or_default();
        if !case.needs.services().is_empty() {
            entry.waits_for(Wait::Server);
        }
        let leased = self.lease(case);
        // It may have been waited for in vain, or too long.
        if let Some(stop) = stop::reason() {
            return Attempt { outcome: Outcome::not_begun(stop), ..Attempt::error("") };
        }
        match leased {
            Ok((leases, services)) => {
                grants.services = services;
                entry.runs();
                let deadline = self.deadlines.of(case);
                let mut attempt =
                    self.attempt(case, grants, deadline.within, whole_output, progress);
                deadline.explain(&mut attempt.outcome);
                blame_services(&leases, &mut attempt.outcome);
                attempt
            }
            Err(error) => Attempt::error(error),
        }
    }

    /// Ends the idle workers and servers, and removes what the run no longer needs.
    pub(crate) fn end(&self) {
        if let Executor::Workers(workers) | Executor::InTurn(_, workers) = &self.executor {
            workers.end();
        }
        self.services.end();
        self.durations.save();
        self.janitor.finish();
        // It stays where a case left something for inspection.
        let _ = std::fs::remove_dir(&self.temp);
    }

    /// Leases the services that the case needs; those it can do without may be missing.
    fn lease(&self, case: &Case) -> Result<(Vec<Lease>, Vec<ServiceGrant>), ServiceError> {
        let mut leases = Vec::new();
        let mut grants = Vec::new();
        for (want, need) in case.needs.services() {
            let (granted, environment) = match (self.services.lease(*want), need) {
                (Ok(lease), _) => {
                    let told = (Ok(lease.granted()), lease.environment());
                    leases.push(lease);
                    told
                }
                (Err(error), Need::Optional) => (Err(error.to_string()), Vec::new()),
                (Err(error), Need::Required) => return Err(error),
            };
            grants.push(ServiceGrant { key: want.key(), environment, granted });
        }
        Ok((leases, grants))
    }

    fn attempt(
        &self,
        case: &Case,
        grants: Grants,
        timeout: Option<Duration>,
        whole_output: &Path,
        observer: &mut impl Observer,
    ) -> Attempt {
        let notes = self.notes.clone();
        let workers = match &self.executor {
            Executor::Workers(workers) => workers,
            Executor::InTurn(controller, workers) => {
                let needs_own = self.isolate || case.needs_own_environment();
                if !needs_own && controller.is_free() {
                    return in_controller(controller, case, grants, notes, timeout, observer);
                }
                workers
            }
            Executor::Alone(controller) => {
                return in_controller(controller, case, grants, notes, timeout, observer);
            }
            Executor::Thread => return in_process::run_beside_others(case, grants, notes, timeout),
        };
        let environment = environment::of(case.definition, &grants);
        let path = case.definition.path.to_owned();
        let assignment = Assignment { index: case.index, path, grants };
        let request = Request {
            case: case.name(),
            assignment: &assignment,
            environment,
            // What it left on its GPUs goes with its process.
            fresh: self.isolate || case.definition.isolated || case.definition.gpus > 0,
            timeout,
            whole_output,
            notes: &notes,
        };
        workers.run(request, observer)
    }
}

fn in_controller(
    controller: &Controller,
    case: &Case,
    grants: Grants,
    notes: Notes,
    timeout: Option<Duration>,
    observer: &mut impl Observer,
) -> Attempt {
    observer.started(std::process::id());
    let attempt = controller.run(case, grants, notes, timeout);
    observer.answered();
    attempt
}

/// A case that failed while its server died failed because of the server.
fn blame_services(leases: &[Lease], outcome: &mut Outcome) {
    if !outcome.fails_the_run() {
        return;
    }
    let faults: Vec<String> =
        leases.iter().filter_map(Lease::fault).map(|fault| fault.to_string()).collect();
    if !faults.is_empty() {
        let message = format!(
            "{}
the case then {}",
            faults.join("\n"),
            outcome.headline()
        );
        *outcome = Outcome::Error { message };
    }
}

/// The date in UTC, as the attribute writes dates.
fn today() -> String {
    let mut now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.truncate("2027-01-31".len());
    now
}
