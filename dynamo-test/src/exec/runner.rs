//! What a case needs is leased, the case runs, and what befell it is judged.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::janitor::Janitor;
use super::serial::Groups;
use super::slots::Slots;
use super::wire::Assignment;
use super::workers::{Request, WorkerCommand, Workers};
use super::{Outcome, Output, environment, in_process};
use crate::case::Case;
use crate::fixture::{Grants, Need, ServiceGrant};
use crate::interrupt;
use crate::service::{Lease, Pool, ServiceError};

/// How a run executes its cases.
pub(crate) struct RunnerOptions {
    /// How many cases run at once.
    pub(crate) slots: usize,
    pub(crate) place: Place,
    /// Whether every case gets a process of its own.
    pub(crate) isolate: bool,
    /// How long a case may take that does not say so itself.
    pub(crate) timeout: Option<Duration>,
    /// Where the lock files of serial groups are.
    pub(crate) serial: PathBuf,
    /// What the cases' seeds derive from.
    pub(crate) seed: u64,
    /// Where the run's temporary folders go.
    pub(crate) temp: PathBuf,
    /// How long a server may take to become ready.
    pub(crate) service_timeout: Duration,
    /// Where the whole output of a failed case goes if it is too long to show.
    pub(crate) outputs: PathBuf,
}

/// Where cases run.
pub(crate) enum Place {
    /// In this process, which runs nothing else.
    Alone,
    /// In this process, beside others.
    Thread,
    /// In worker processes.
    Workers(WorkerCommand),
}

/// Executes the cases of a run.
pub(crate) struct Runner {
    slots: Slots,
    /// Held by the case that uses the GPUs.
    gpus: Mutex<()>,
    services: Arc<Pool>,
    executor: Executor,
    janitor: Janitor,
    isolate: bool,
    timeout: Option<Duration>,
    groups: Groups,
    seed: u64,
    temp: PathBuf,
    outputs: PathBuf,
}

/// [`Place`], set up.
enum Executor {
    Alone,
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
}

impl Runner {
    pub(crate) fn new(options: RunnerOptions) -> Self {
        let RunnerOptions {
            slots,
            place,
            isolate,
            timeout,
            serial,
            seed,
            temp,
            service_timeout,
            outputs,
        } = options;
        let executor = match place {
            Place::Alone => Executor::Alone,
            Place::Thread => Executor::Thread,
            Place::Workers(command) => {
                // Cases with services run in workers of other environments than those without.
                let keep = slots.saturating_mul(4);
                Executor::Workers(Workers::new(command, outputs.clone(), keep))
            }
        };
        Self {
            slots: Slots::new(slots),
            gpus: Mutex::default(),
            services: Pool::new(temp.clone(), service_timeout),
            executor,
            janitor: Janitor::default(),
            isolate,
            timeout,
            groups: Groups::new(serial),
            seed,
            temp,
            outputs,
        }
    }

    /// Waits until the case may run, then runs it. `started` is told the process that it runs in.
    pub(crate) fn run(&self, case: &Case, started: impl FnOnce(u32)) -> Finished {
        // Until there are leases, cases with GPUs take turns; one that waits for its turn holds no slot.
        let _gpus = (case.definition.gpus > 0)
            .then(|| self.gpus.lock().unwrap_or_else(PoisonError::into_inner));
        let turn = case.definition.serial.map(|group| self.groups.wait(group)).transpose();
        let _slot = self.slots.acquire();
        let seed = case_seed(self.seed, case.name());
        let temp = self.temp.join(case.index.to_string());
        // Longer names are no names of files.
        let name: String = case.name().replace("::", "-").chars().take(100).collect();
        let whole_output = self.outputs.join(format!("{}-{name}.log", case.index));
        if case.needs.uses_temp_dir() {
            self.janitor.watch(&self.temp);
        }
        let attempt = if let Some(signal) = interrupt::told_to_stop() {
            Attempt { outcome: Outcome::interrupted(signal), ..Attempt::error("") }
        } else if let Some(key) = case.not_supported_yet() {
            Attempt::error(format!("`{key}` is not supported yet by this version of dynamo-test"))
        } else if let Err(error) = &turn {
            Attempt::error(format!("the lock of its serial group cannot be taken: {error}"))
        } else {
            match self.lease(case) {
                Ok((leases, services)) => {
                    let grants = Grants { seed, temp: temp.clone(), services };
                    let mut attempt = self.attempt(case, grants, &whole_output, started);
                    blame_services(&leases, &mut attempt.outcome);
                    attempt
                }
                Err(error) => Attempt::error(error),
            }
        };
        let outcome = attempt.outcome.expected_by(case.definition, &today());
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
            kept,
        }
    }

    /// Ends the idle workers and servers, and removes what the run no longer needs.
    pub(crate) fn end(&self) {
        if let Executor::Workers(workers) = &self.executor {
            workers.end();
        }
        self.services.end();
        self.janitor.finish();
        // It stays where a case left something for inspection.
        let _ = std::fs::remove_dir(&self.temp);
    }

    /// Leases the services that the case needs; those it can do without may be missing.
    fn lease(&self, case: &Case) -> Result<(Vec<Lease>, Vec<ServiceGrant>), ServiceError> {
        let mut leases = Vec::new();
        let mut grants = Vec::new();
        for (service, need) in case.needs.services() {
            match (self.services.lease(*service), need) {
                (Ok(lease), _) => {
                    grants.push((*service, Ok(lease.address())));
                    leases.push(lease);
                }
                (Err(error), Need::Optional) => grants.push((*service, Err(error.to_string()))),
                (Err(error), Need::Required) => return Err(error),
            }
        }
        Ok((leases, grants))
    }

    fn attempt(
        &self,
        case: &Case,
        grants: Grants,
        whole_output: &Path,
        started: impl FnOnce(u32),
    ) -> Attempt {
        let timeout = case.definition.timeout_ms.map(Duration::from_millis).or(self.timeout);
        match &self.executor {
            Executor::Workers(workers) => {
                let environment = environment::of(case.definition, &grants);
                let path = case.definition.path.to_owned();
                let assignment = Assignment { index: case.index, path, grants };
                let request = Request {
                    case: case.name(),
                    assignment: &assignment,
                    environment,
                    fresh: self.isolate || case.definition.isolated,
                    timeout,
                    whole_output,
                };
                workers.run(request, started)
            }
            Executor::Alone => {
                started(std::process::id());
                in_process::run_alone(case, grants, timeout)
            }
            Executor::Thread => in_process::run(case, grants, timeout),
        }
    }
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

/// A case's own seed: FNV-1a over the run's seed and the case's name, so that it does not depend on what else runs.
fn case_seed(run: u64, name: &str) -> u64 {
    let bytes = run.to_le_bytes().into_iter().chain(name.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The date in UTC, as the attribute writes dates.
fn today() -> String {
    let mut now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.truncate("2027-01-31".len());
    now
}
