//! What a case needs is leased, the case runs, and what befell it is judged.

use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use serde_json::Value;

use super::board::{Board, Entry};
use super::deadlines::Deadline;
use super::finished::{Attempt, Finished};
use super::gpus::{Gpus, InUse};
use super::in_process::{self, Controller};
use super::janitor::Janitor;
use super::options::{Place, RunnerOptions};
use super::serial::{self, Groups};
use super::servers::Servers;
use super::single::{Progress, Single};
use super::slots::{Slot, Slots};
use super::waits::Wait;
use super::wire::Assignment;
use super::workers::{Request, Workers, whole_output};
use super::{Deadlines, GpuUse, Outcome, Round, environment, outcome};
use crate::case::Case;
use crate::fixture::{Grants, Notes};
use crate::process::FoundLog;
use crate::schedule::Durations;
use crate::secrets;
use crate::seed;
use crate::service::{Services, Want};
use crate::stop;

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

/// What a case may run with: a slot, and its turn in its serial group if it is in one.
enum Admitted {
    /// Both are among it.
    WithGpus(InUse),
    Without(Slot, Option<serial::Turn>),
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

    /// Those of these cases that any worker may run at any time, if cases run in such, so many at once.
    pub(super) fn for_any_worker(
        &self,
        cases: impl Iterator<Item = Arc<Case>>,
        at_once: usize,
    ) -> Vec<Arc<Case>> {
        let shares = |case: &Arc<Case>| {
            case.definition.settings.serial.is_none() && !case.needs_own_environment()
        };
        let (cases, others): (Vec<_>, Vec<_>) = cases.partition(shares);
        let is_for_workers = matches!(&self.executor, Executor::Workers(_)) && !self.isolate;
        // One at a time, all run in the order that was asked for.
        let keeps_order = at_once > 1 || others.is_empty();
        if is_for_workers && keeps_order { cases } else { Vec::new() }
    }

    /// Waits until the case may run, then runs it. `started` is told the process that it runs in.
    pub(crate) fn run(
        &self,
        case: &Arc<Case>,
        round: Round,
        started: impl FnOnce(u32),
    ) -> Finished {
        let entry = self.board.enter(case.name());
        let admitted = self.admit(case, &entry);
        let mut progress = Progress { started: Some(started), gpus: None };
        let mut without_gpus = None;
        let attempt = match (stop::reason(), admitted) {
            (Some(stop), _) => Attempt::of(Outcome::not_begun(stop)),
            (None, Err(error)) => Attempt::error(error),
            (None, Ok(admitted)) => {
                match admitted {
                    Admitted::WithGpus(in_use) => progress.gpus = Some(in_use),
                    Admitted::Without(slot, group) => without_gpus = Some((slot, group)),
                }
                self.provide(case, &entry, round, &mut progress)
            }
        };
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
        self.finish(case, round, attempt, gpus)
    }

    /// Judges what befell a case, and keeps or removes what it left.
    pub(super) fn finish(
        &self,
        case: &Case,
        round: Round,
        attempt: Attempt,
        gpus: Option<GpuUse>,
    ) -> Finished {
        if attempt.outcome.passed() {
            self.durations.note(case, attempt.duration);
        }
        let mut outcome = attempt.outcome.expected_by(case.definition, outcome::today);
        if let Some(text) = outcome.text_mut() {
            secrets::mask_in(text);
        }
        let temp = case.needs.uses_temp_dir().then(|| self.temp_of(case, round));
        let kept = temp.filter(|temp| temp.exists()).filter(|folder| {
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
        let whole_output = is_cut.then(|| whole_output(&self.outputs, case, round));
        Finished {
            outcome,
            output: attempt.output,
            whole_output: whole_output.filter(|path| path.exists()),
            duration: attempt.duration,
            seed: seed::of(round.seed, case.name()),
            traces: attempt.traces,
            logs: kept.as_deref().map(FoundLog::all_in).unwrap_or_default(),
            kept,
            gpus,
        }
    }

    /// Where the case's temporary folders go.
    fn temp_of(&self, case: &Case, round: Round) -> PathBuf {
        self.temp.join(format!("{}{}", case.index, round.suffix()))
    }

    /// Waits for a slot, for the turn in the case's serial group, and for the GPUs that it needs: one that waits for
    /// a group or for GPUs holds no slot, and one that waits for GPUs no group.
    fn admit(&self, case: &Case, entry: &Entry) -> Result<Admitted, String> {
        if case.definition.settings.gpus > 0 {
            let expected = self.durations.expected(case);
            return self.gpus.enter(case, expected, entry).map(Admitted::WithGpus);
        }
        let turn = match case.definition.settings.serial {
            Some(group) => self.groups.wait(group, case.name(), entry),
            None => Ok(None),
        };
        let turn = turn.map_err(|error| serial::no_lock(&error))?;
        Ok(Admitted::Without(self.slots.acquire(), turn))
    }

    /// Leases the services, then runs the case.
    fn provide(
        &self,
        case: &Arc<Case>,
        entry: &Entry,
        round: Round,
        progress: &mut Progress<impl FnOnce(u32)>,
    ) -> Attempt {
        if !case.needs.services().is_empty() {
            entry.waits_for(Wait::Server);
        }
        let servers = Servers::lease(&self.services, case);
        // It may have been waited for in vain, or too long.
        if let Some(stop) = stop::reason() {
            return Attempt::of(Outcome::not_begun(stop));
        }
        match servers {
            Ok(mut servers) => {
                let gpus = progress.gpus.as_ref().map(InUse::grants).unwrap_or_default();
                let services = mem::take(&mut servers.grants);
                let grants = Grants { services, gpus, ..self.grants(case, round) };
                entry.runs();
                let deadline = self.deadlines.of(case);
                let mut attempt = self.attempt(case, round, grants, deadline, progress);
                deadline.explain(&mut attempt.outcome);
                servers.take_the_blame(&mut attempt.outcome);
                attempt
            }
            Err(error) => Attempt::error(error),
        }
    }

    /// What every case is given.
    pub(super) fn grants(&self, case: &Case, round: Round) -> Grants {
        if case.needs.uses_temp_dir() {
            self.janitor.watch(&self.temp);
        }
        let seed = seed::of(round.seed, case.name());
        Grants { seed, temp: self.temp_of(case, round), ..Grants::default() }
    }

    /// What a worker is asked for.
    pub(super) fn request(
        &self,
        case: Arc<Case>,
        round: Round,
        grants: Grants,
        deadline: Deadline,
    ) -> Request {
        let path = case.definition.path.into();
        let assignment = Assignment { index: case.index, path, grants };
        Request { case, assignment, round, deadline }
    }

    /// How long a case may take that begins now.
    pub(super) fn deadline(&self, case: &Case) -> Deadline {
        self.deadlines.of(case)
    }

    /// The workers, if cases run in such.
    pub(super) fn workers(&self) -> Option<&Workers> {
        match &self.executor {
            Executor::Workers(workers) => Some(workers),
            Executor::Alone(_) | Executor::InTurn(..) | Executor::Thread => None,
        }
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Says that a slot was given back.
    pub(super) fn slot_is_free(&self) {
        self.gpus.slot_is_free();
    }

    pub(super) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    pub(super) fn note(&self, case: &Case, note: Value) {
        self.notes.write(case.name(), note);
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

    fn attempt(
        &self,
        case: &Arc<Case>,
        round: Round,
        grants: Grants,
        deadline: Deadline,
        progress: &mut Progress<impl FnOnce(u32)>,
    ) -> Attempt {
        let here = |controller: &Controller, progress: &mut Progress<_>, grants| {
            progress.started(std::process::id());
            let attempt = controller.run(case, grants, self.notes.clone(), deadline.within);
            progress.answered();
            attempt
        };
        let workers = match &self.executor {
            Executor::Workers(workers) => workers,
            Executor::InTurn(controller, workers) => {
                let needs_own = self.isolate || case.needs_own_environment();
                if !needs_own && controller.is_free() {
                    return here(controller, progress, grants);
                }
                workers
            }
            Executor::Alone(controller) => return here(controller, progress, grants),
            Executor::Thread => {
                return in_process::run_beside_others(
                    case,
                    grants,
                    self.notes.clone(),
                    deadline.within,
                );
            }
        };
        let environment = environment::of(case.definition, &grants);
        // What it left on its GPUs goes with its process.
        let fresh =
            self.isolate || case.definition.settings.isolated || case.definition.settings.gpus > 0;
        let request = self.request(Arc::clone(case), round, grants, deadline);
        let mut single = Single::new(request, progress, &self.notes);
        workers.run(&environment, fresh, &mut single);
        single.attempt()
    }
}
