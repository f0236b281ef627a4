//! One run, from the command line to the exit code.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use libtest_mimic::{Arguments, FormatSetting};

use crate::args::{Format, Options, OtherRunner, Shuffle};
use crate::case::{Case, Registry, policy};
use crate::config::Config;
use crate::exec::{
    self, Board, Deadlines, Place, Round, Runner, RunnerOptions, Stream, WorkerCommand,
};
use crate::fixture::Notes;
use crate::marker::Lifecycle;
use crate::marker::vocabulary::Vocabulary;
use crate::recall::recall;
use crate::repeat::Repetition;
use crate::report::{self, Event, Progress, Record, Selected, Telling};
use crate::run::{DESELECTED, Run};
use crate::select::{Decision, Order, Plan, Planned, Selection};
use crate::service::{Origins, ServiceOptions, supervisor};
use crate::standards::Standards;
use crate::target::Target;
use crate::{gpu, interrupt, seed, stop};

/// The command line or a case's declaration is wrong; nothing ran.
const USAGE: u8 = 2;

/// How many cases may wait for others at once, each on a thread.
const MAX_WAITING: usize = 1_000;

/// The entry point that `main!` calls.
pub fn main(target: &Target) -> ExitCode {
    if env::args_os().nth(1).is_some_and(|first| first == exec::WORKER_ARGUMENT) {
        exec::serve();
    }
    if env::args_os().nth(1).is_some_and(|first| first == supervisor::ARGUMENT) {
        supervisor::serve();
    }
    if !target.section.is_this() {
        return refuse(
            &"the cases of this binary cannot be seen, because dynamo-test is in a dynamic library that it uses: have \
              cargo link that statically (`crate-type = [\"rlib\"]`, and no `-C prefer-dynamic`)",
        );
    }
    match Options::from_command_line() {
        Ok(options) => run(target, options),
        Err(error) => refuse(&error),
    }
}

fn refuse(error: &dyn Display) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(USAGE)
}

fn run(target: &Target, options: Options) -> ExitCode {
    let vocabulary = Vocabulary::collect();
    if options.markers {
        return show(&report::markers(&vocabulary));
    }
    if options.gpu_status {
        return match gpu::status() {
            Ok(status) => {
                print!("{status}");
                ExitCode::SUCCESS
            }
            Err(error) => refuse(&error),
        };
    }
    if under_nextest()
        && let Some(error) = options.course.refused_by(OtherRunner::Nextest)
    {
        return refuse(&error);
    }
    let selection = match Selection::new(&options, &vocabulary) {
        Ok(selection) => selection,
        Err(error) => return refuse(&error),
    };
    let cases = Registry::collect().cases();
    if let Err(violations) = policy::check(&cases) {
        return refuse(&violations);
    }
    // Nextest has asked for the list, which holds what failed; what it runs of it has perhaps passed meanwhile.
    let is_decided = options.exact && under_nextest();
    let recalled = |plan: &mut Plan| {
        if is_decided { BTreeSet::new() } else { recall(target, &options.course, plan) }
    };
    let as_names = options.list && !options.explain && options.format != Some(Format::Json);
    if as_names && !lists_lacking(&options) {
        let mut plan = Plan::new(cases, &selection, |_| None);
        recalled(&mut plan);
        return show(&report::libtest_list(&plan));
    }
    let config = match Config::load(options.config.as_deref()) {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    let origins = Origins::new(options.services, &config.services);
    let mut plan = Plan::new(cases, &selection, |case| lack(case, &origins));
    let first = recalled(&mut plan);
    if options.explain {
        return show(&report::explain(&plan));
    }
    if options.list {
        let list = if as_names { report::libtest_list(&plan) } else { report::json_list(&plan) };
        return show(&list);
    }
    if let Some(missing) = missing_under_nextest(&options, &plan) {
        return refuse(&format!("no case is named {missing}"));
    }
    if let Some(Err(error)) = options.logfile.as_ref().map(std::fs::File::create) {
        return refuse(&format!("--logfile cannot be written: {error}"));
    }
    execute(target, &options, &config, origins, &selection, plan, first)
}

/// What is missing for a case.
pub(crate) fn lack(case: &Case, origins: &Origins) -> Option<String> {
    let gpus = (case.definition.settings.gpus > 0).then(|| gpu::lack(&case.gpu_need())).flatten();
    gpus.or_else(|| origins.lack(case.needs.required_services()))
        .or_else(|| origins.conflict(case.needs.services().iter().map(|(want, _)| want)))
}

/// Whether a list of names tells what this machine lacks. Nextest has no other way to learn what will be skipped: it
/// asks for the ignored cases. Where such cases are to fail they have to run, and otherwise the list is the same on
/// every machine.
fn lists_lacking(options: &Options) -> bool {
    under_nextest() && !options.strict && !options.require_gpus
}

/// Prints a listing. Whoever closes the pipe early has seen enough.
fn show(listing: &str) -> ExitCode {
    match io::stdout().write_all(listing.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => refuse(&error),
        _ => ExitCode::SUCCESS,
    }
}

/// Nextest runs a case by its name, and takes an exit code of 0 for its success; so a name that is not there must
/// be a failure. Under cargo it is not: the case may be in another binary.
fn missing_under_nextest<'a>(options: &'a Options, plan: &Plan) -> Option<&'a str> {
    let asked = options.exact && under_nextest();
    let is_there = |name: &str| plan.cases.iter().any(|planned| planned.case.name() == name);
    options.filters.iter().map(String::as_str).find(|name| asked && !is_there(name))
}

/// Whether nextest has made this process, for one case.
fn under_nextest() -> bool {
    env::var_os("NEXTEST").is_some()
}

fn execute(
    target: &Target,
    options: &Options,
    config: &Config,
    origins: Origins,
    selection: &Selection,
    mut plan: Plan,
    first: BTreeSet<String>,
) -> ExitCode {
    let started = Instant::now();
    // Under nextest each case is a run, and nextest bounds the whole.
    if let Some(time) = options.run_timeout(config).filter(|_| !under_nextest()) {
        stop::after(time);
    }
    if let Some(most) = options.course.max_fail() {
        stop::after_failures(most);
    }
    let record = Arc::new(Record::create(&report::home().join("runs")));
    let place = place(options, &plan);
    let slots = match place {
        Place::InTurn(_) => 1,
        _ => options.test_threads.map_or_else(default_threads, NonZeroUsize::get),
    };
    // More would only be threads that find nothing to do.
    let slots = slots.min(plan.running().count()).max(1);
    let seed = options.seed.unwrap_or_else(seed::random);
    let shuffle = options.course.shuffle().map(|shuffle| match shuffle {
        Shuffle::ByRun => seed,
        Shuffle::By(number) => number,
    });
    record.write(&Event::RunStarted {
        version: report::VERSION,
        package: target.package,
        target: &target.flags(),
        pid: std::process::id(),
        arguments: &env::args().skip(1).collect::<Vec<_>>(),
        selected: Selected {
            lifecycle: selection.lifecycle().map(Lifecycle::name),
            mark: options.mark.as_deref(),
        },
        seed,
        shuffle,
        test_threads: slots,
    });
    record_decisions(&record, &plan);

    let alone = matches!(place, Place::Alone);
    let crowd = Crowd::of(&plan, &place);
    let board: Arc<Board> = Arc::default();
    // Nextest and a debugger show themselves what runs, and what a lone case prints is not to be mixed with it.
    let telling = if alone || under_nextest() {
        Telling::Waits
    } else {
        let is_captured = matches!(&place, Place::Workers(command) if command.capture);
        Telling::of_this_process(options.print_format() == FormatSetting::Pretty, is_captured)
    };
    let runner = Arc::new(Runner::new(RunnerOptions {
        slots,
        place,
        isolate: options.isolate,
        deadlines: Deadlines { timeout: options.timeout, configured: config.timeouts },
        serial: report::home().join("serial"),
        temp: run_temp(),
        services: ServiceOptions {
            within: options.service_timeout(&config.services),
            supervisor: vec![supervisor::ARGUMENT.into()],
            origins,
            at_most: config.services.at_most,
            is_over: || stop::reason().is_some(),
        },
        outputs: record.folder().join("output"),
        name: format!("{} {}", target.package, target.flags()),
        board: Arc::clone(&board),
        gpus: options.gpu_options(&config.gpus),
        gpu_cases: crowd.awaited,
        durations: durations_file(target),
        notes: notes(&record),
    }));
    runner.prepare(plan.running().map(|planned| &*planned.case));
    runner.durations().longest_first(&mut plan.cases, |planned| {
        (planned.decision == Decision::Run).then_some(&*planned.case)
    });
    Order { shuffle, first }.arrange(&mut plan.cases);
    let run = Arc::new(Run {
        target: *target,
        runner,
        record,
        seed,
        strict: options.strict,
        require_gpus: options.require_gpus,
        lifecycle: selection.lifecycle(),
        repetition: options.course.repeat().map(Repetition::new),
        standards: (!alone).then(|| Standards::new(config, selection.lifecycle())),
    });
    let running = plan.running().count();
    let arguments = Arguments {
        skip: vec![DESELECTED.into()],
        test_threads: Some(slots + crowd.waiting),
        format: Some(options.print_format()),
        color: Some(options.print_color()),
        logfile: options.logfile.as_ref().map(|path| path.display().to_string()),
        ..Arguments::default()
    };
    if let Err(error) = interrupt::listen(alone) {
        eprintln!("dynamo-test: signals end the run without a report: {error}");
    }
    let progress = Progress::start(board, running, &config.progress, telling);
    // Cases that are repeated, or that others may keep from running, begin one at a time.
    let is_streamed = options.course.repeat().is_none() && options.course.max_fail().is_none();
    let streamed = plan.running().filter(|_| is_streamed).map(|planned| Arc::clone(&planned.case));
    let stream = Stream::start(&run.runner, streamed, Round::of(seed, 1), slots, run.clone());
    let stream = Arc::new(stream);
    let trials = plan.cases.into_iter().map(|planned| run.trial(planned, &stream)).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    stream.end();
    drop(progress);
    run.finish(&conclusion, started.elapsed(), options.format == Some(Format::Json))
}

/// What cases note goes into the record.
fn notes(record: &Arc<Record>) -> Notes {
    let record = Arc::clone(record);
    Notes::new(move |case, note| record.write(&Event::Noted { case, note: &note }))
}

/// All decisions at once, before anything runs.
fn record_decisions(record: &Record, plan: &Plan) {
    let decided: Vec<Event<'_>> = plan
        .cases
        .iter()
        .map(|Planned { case, decision }| Event::Decided {
            case: case.name(),
            decision: decision.name(),
            reason: decision.reason(),
        })
        .collect();
    record.write_all(&decided);
}

/// The cases that wait for others to end before they start: each needs a thread to wait on.
struct Crowd {
    /// How many may wait at once.
    waiting: usize,
    /// How many cases with GPUs there will be to choose from, once all have come.
    awaited: usize,
}

impl Crowd {
    fn of(plan: &Plan, place: &Place) -> Self {
        let waiting = match place {
            Place::Workers(_) => {
                plan.running().filter(|planned| planned.case.waits_for_others()).count()
            }
            Place::Alone | Place::InTurn(_) | Place::Thread => 0,
        };
        let with_gpus = plan.running().filter(|planned| planned.case.definition.settings.gpus > 0);
        // With more than can wait, the first start before the last have come.
        let awaited = if waiting <= MAX_WAITING { with_gpus.count() } else { 0 };
        Self { waiting: waiting.min(MAX_WAITING), awaited }
    }
}

/// Where the cases run: a case that is alone, by its exact name or because nextest made this process for it, runs
/// here, where a debugger is; and so do all, in turn, under a debugger, and where nothing is captured and nothing runs
/// beside them. Not one with GPUs: which ones it gets is known only now, and its process must be
/// started with them.
fn place(options: &Options, plan: &Plan) -> Place {
    let mut running = plan.running();
    let first = running.next().filter(|_| options.exact && running.next().is_none());
    let alone = first.map(|planned| &planned.case);
    let repeats = options.course.repeat().is_some();
    if !repeats && alone.is_some_and(|case| case.definition.settings.gpus == 0) {
        return Place::Alone;
    }
    let workers = WorkerCommand {
        arguments: |_| vec![exec::WORKER_ARGUMENT.into()],
        environment: Vec::new(),
        capture: !options.no_capture && (repeats || alone.is_none()),
        show_output: options.show_output,
        reuse: true,
    };
    let one_thread = options.test_threads.is_some_and(|threads| threads.get() == 1);
    if exec::is_debugged() || (options.no_capture && one_thread) {
        return Place::InTurn(WorkerCommand { capture: false, ..workers });
    }
    Place::Workers(workers)
}

/// Where it is kept how long a target's cases take.
fn durations_file(target: &Target) -> PathBuf {
    let flags = target.flags().replace([' ', '-'], "");
    report::home().join("durations").join(format!("{}-{flags}.json", target.package))
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The folder for what the run's cases and servers keep, made when the first of them asks. Its name is short,
/// because a unix socket's path must be.
pub(crate) fn run_temp() -> PathBuf {
    let unique = seed::random() as u32;
    let folder = env::temp_dir().join(format!("dynamo-test-{}-{unique:08x}", std::process::id()));
    std::path::absolute(&folder).unwrap_or(folder)
}
