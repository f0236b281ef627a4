//! The second entry of a case: the `#[test]` that rustc keeps where the stock harness runs, because the crate did
//! not set `harness = false`. The environment alone selects, and a case that was not selected passes, saying so.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use crate::args::{Options, OtherRunner};
use crate::case::{Registry, policy};
use crate::config::Config;
use crate::exec::{self, Board, Deadlines, Place, Round, Runner, RunnerOptions, WorkerCommand};
use crate::fixture::Notes;
use crate::harness::{lack, run_temp};
use crate::marker::vocabulary::Vocabulary;
use crate::own_program;
use crate::report::{self, Progress, Telling};
use crate::select::{Decision, Plan, Planned, Selection};
use crate::service::{Origins, ServiceOptions, supervisor};
use crate::stop;

/// Set in the process that the stock harness's process starts for one case, to the pid of the latter.
const CHILD: &str = "DYNAMO_TEST_STOCK_CHILD";

/// What the cases of the process share; or why none of them can run.
static STOCK: LazyLock<Result<Stock, String>> = LazyLock::new(Stock::new);

struct Stock {
    plan: Plan,
    seed: u64,
    strict: bool,
    require_gpus: bool,
    /// For cases that need nothing of their process.
    here: Runner,
    /// For cases that need an environment of their own, and so a process.
    children: Runner,
    /// Tells what waits for what, as long as the process lives.
    _progress: Progress,
}

/// Runs the case of a path, as a `#[test]` function of the stock harness.
pub fn run_under_stock_harness(path: &str) {
    if supervisor::is_wanted() {
        supervisor::serve();
    }
    let parent = rustix::process::getppid().map(|parent| parent.to_string());
    // What the child itself starts inherits the variable, but has another parent.
    if parent.is_some_and(|parent| env::var_os(CHILD).is_some_and(|value| *value == *parent)) {
        exec::serve_one();
    }
    let failure = match &*STOCK {
        Ok(stock) => stock.run(path).err(),
        Err(error) => Some(error.clone()),
    };
    if let Some(failure) = failure {
        // The panic's own message would name this file.
        eprintln!("{failure}");
        std::panic::resume_unwind(Box::new(failure));
    }
}

/// What makes the stock harness run one case and nothing else.
fn alone(case: &str) -> Vec<String> {
    ["--exact", case, "--nocapture", "--include-ignored", "--test-threads=1"].map(Into::into).into()
}

impl Stock {
    fn new() -> Result<Self, String> {
        let mut options = Options::from_environment().map_err(|error| error.to_string())?;
        if let Some(error) = options.course.refused_by(OtherRunner::Stock) {
            return Err(error);
        }
        // The stock harness has dealt with `#[ignore]` and with names before it calls.
        options.include_ignored = true;
        if env::args().any(|argument| argument == "--exact") {
            options.asked_for = env::args().skip(1).collect();
        }
        let selection =
            Selection::new(&options, &Vocabulary::collect()).map_err(|error| error.to_string())?;
        let cases = Registry::collect().cases();
        policy::check(&cases)?;
        let config = Config::load(options.config.as_deref()).map_err(|error| error.to_string())?;
        let seed = options.seed.unwrap_or_else(crate::seed::random);
        let origins = Origins::new(options.services, &config.services);
        // Any case's function turns into the supervisor.
        let supervisor = cases.first().map(|case| alone(case.name())).unwrap_or_default();
        let board: Arc<Board> = Arc::default();
        let runner = |place| {
            Runner::new(RunnerOptions {
                // The stock harness counts its threads itself.
                slots: usize::MAX,
                place,
                isolate: false,
                deadlines: Deadlines { timeout: options.timeout, configured: config.timeouts },
                serial: report::home().join("serial"),
                temp: run_temp(),
                services: ServiceOptions {
                    within: options.service_timeout(&config.services),
                    supervisor: supervisor.clone(),
                    origins: origins.clone(),
                    at_most: config.services.at_most,
                    is_over: || stop::reason().is_some(),
                },
                outputs: report::home().join("stock"),
                name: env::args().next().unwrap_or_default(),
                board: Arc::clone(&board),
                gpus: options.gpu_options(&config.gpus),
                gpu_cases: 0,
                durations: durations_file(),
                notes: Notes::unread(),
            })
        };
        // The stock harness says itself what runs long.
        let progress =
            Progress::start(Arc::clone(&board), cases.len(), &config.progress, Telling::Waits);
        Ok(Self {
            seed,
            plan: Plan::new(cases, &selection, |case| lack(case, &origins)),
            strict: options.strict,
            require_gpus: options.require_gpus,
            here: runner(Place::Thread),
            children: runner(Place::Workers(WorkerCommand {
                arguments: alone,
                environment: vec![(CHILD, std::process::id().to_string())],
                capture: true,
                show_output: true,
                reuse: false,
            })),
            _progress: progress,
        })
    }

    /// Runs the case of a path if it was selected; the error is what the stock harness shall show.
    fn run(&self, path: &str) -> Result<(), String> {
        let planned = self.plan.cases.iter().find(|planned| planned.case.definition.path == path);
        let Some(Planned { case, decision }) = planned else {
            return Err(format!("dynamo-test: {path} is not registered: please report this"));
        };
        if *decision != Decision::Run {
            let reason = decision.reason().unwrap_or_default();
            let said = format!("dynamo-test: {} is {}: {reason}", case.name(), decision.name());
            if self.strict || (self.require_gpus && case.definition.settings.gpus > 0) {
                return Err(said);
            }
            // Not by `eprintln!`, which the stock harness keeps to itself where a test passes.
            let _ = writeln!(io::stderr(), "{said}");
            return Ok(());
        }
        let runner = if case.needs_own_process() { &self.children } else { &self.here };
        let mut finished = runner.run(case, Round::of(self.seed, 1), |_| {});
        // Nobody says that the run is over.
        runner.durations().save();
        if self.strict {
            finished.judge_strictly();
        }
        if let Some(output) = &finished.output {
            print!("{}", output.text);
        }
        for log in &finished.logs {
            print!("\n{log}");
        }
        if let Some(kept) = &finished.kept {
            eprintln!("kept: {}", kept.display());
        }
        if !finished.traces.is_empty() {
            eprintln!("dynamo-test: warning: {} {}", case.name(), finished.traces.join("; "));
        }
        let said = finished.outcome.headline();
        if finished.outcome.fails_the_run() {
            return Err(said);
        }
        if !finished.outcome.passed() {
            eprintln!("dynamo-test: {}: {said}", case.name());
        }
        Ok(())
    }
}

/// Where it is kept how long this binary's cases take: cargo names the package, and the file as `target-hash`.
fn durations_file() -> PathBuf {
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let program = own_program::path();
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    let target = name.rsplit_once('-').map_or(&*name, |(target, _hash)| target);
    report::home().join("durations").join(format!("{package}-{target}.json"))
}
