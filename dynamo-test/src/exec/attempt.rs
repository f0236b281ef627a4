//! One case, run in this process: fixtures, function, teardown.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime as Tokio};

use super::Outcome;
use super::ending::{End, Ending, Speaker};
use super::lineage::Lineage;
use super::panics::{self, Ended, Panic, Watch};
use crate::case::{
    AsyncFunction, Body, BoxFuture, Case, Definition, Prepared, Runtime, SyncFunction, TestResult,
};
use crate::fixture::{CaseContext, FixtureError, Grants, Notes, Verdict};

/// A case that runs in this process.
pub(super) struct Running {
    definition: &'static Definition,
    thread: Option<JoinHandle<()>>,
    ending: Arc<Ending>,
    watch: Watch,
}

/// Runs a case on a thread of its own that bears its name, as libtest does: what it leaves in thread-locals dies
/// with the thread.
pub(super) fn start(case: &Case, grants: Grants, notes: Notes) -> Result<Running, Outcome> {
    let definition = case.definition;
    let watch = Watch::new();
    let lineage = watch.lineage();
    let ending = Arc::<Ending>::default();
    let work: Box<dyn FnOnce() -> Outcome + Send> = match definition.body {
        Body::Sync(function) => Box::new(move || run_sync(definition, function)),
        Body::Async(function) => Box::new(move || run_async(definition, function)),
        Body::WithFixtures(prepare) => {
            let markers = case.markers.iter().map(|marker| marker.name);
            let context = CaseContext::new(case.name(), markers, grants, notes);
            let says = Arc::clone(&ending);
            context.early_end().on_giving_up(move |reason| {
                says.say(End::GivenUp(Outcome::failed(reason)));
            });
            Box::new(move || run_with_fixtures(definition, prepare, &context, lineage))
        }
    };
    let speaker = Speaker(Arc::clone(&ending));
    let thread = thread::Builder::new().name(case.name().into()).spawn(move || {
        panics::begin(lineage);
        let outcome = work();
        // Nobody listens any more to a case that has had its time.
        speaker.0.say(End::Reached(outcome));
    });
    match thread {
        Ok(thread) => Ok(Running { definition, thread: Some(thread), ending, watch }),
        Err(error) => Err(Outcome::error(format!("no thread could be started: {error}"))),
    }
}

/// Runs a case on this thread, which is not its own: it may leave something there.
pub(super) fn run_here(definition: &'static Definition, function: SyncFunction) -> Running {
    let watch = Watch::new();
    panics::begin(watch.lineage());
    let ending = Arc::<Ending>::default();
    ending.say(End::Reached(run_sync(definition, function)));
    Running { definition, thread: None, ending, watch }
}

impl Running {
    /// Waits until the case has ended.
    pub(super) fn wait(&mut self) -> Outcome {
        // No other can be given up, and the end of the thread is soon to come.
        if let Body::WithFixtures(_) = self.definition.body {
            self.ending.wait();
        }
        self.ended()
    }

    /// Waits until the case has ended, but no longer than that.
    pub(super) fn wait_for(&mut self, time: Duration) -> Option<Outcome> {
        self.ending.wait_for(time).then(|| self.ended())
    }

    fn ended(&mut self) -> Outcome {
        let end = self.ending.take();
        if let Some(End::GivenUp(outcome)) = end {
            return outcome;
        }
        // Its thread-locals are dropped with it, which belongs to the case. They may panic, which it survives.
        let _ = self.thread.take().map(JoinHandle::join);
        match end.or_else(|| self.ending.take()) {
            Some(End::Reached(outcome) | End::GivenUp(outcome)) => outcome,
            Some(End::Silent) | None => {
                Outcome::error("the harness itself panicked: please report this")
            }
        }
    }

    /// Whether its function still runs, though the case has ended.
    pub(super) fn is_given_up(&self) -> bool {
        self.thread.is_some()
    }

    /// What its threads and tasks did until now changes the outcome, if they panicked.
    pub(super) fn judge(&self, outcome: Outcome) -> Outcome {
        panics::judge(self.watch.lineage(), self.definition, outcome)
    }
}

fn run_sync(definition: &Definition, function: SyncFunction) -> Outcome {
    judge(definition, panics::catch(|| function.call()))
}

fn run_async(definition: &Definition, function: AsyncFunction) -> Outcome {
    match tokio(definition.settings.runtime) {
        Ok(tokio) => {
            let ended = panics::catch(|| tokio.block_on(function.call()));
            close(tokio, judge(definition, ended))
        }
        Err(error) => error,
    }
}

fn run_with_fixtures(
    definition: &Definition,
    prepare: fn(CaseContext) -> BoxFuture<Result<Prepared, FixtureError>>,
    context: &CaseContext,
    lineage: Lineage,
) -> Outcome {
    let tokio = match tokio(definition.settings.runtime) {
        Ok(tokio) => tokio,
        Err(error) => return error,
    };
    // What tasks and threads did by now is for the fixtures to know, too.
    let judge = |ended| panics::judge(lineage, definition, judge(definition, ended));
    let early_end = context.early_end();
    let prepared = panics::catch(|| tokio.block_on(early_end.unless(prepare(context.clone()))));
    let outcome = match prepared {
        Ok(Some(Ok(Prepared::Sync(function)))) => {
            // What the function drops may belong to the runtime.
            let _entered = tokio.enter();
            judge(panics::catch(function))
        }
        Ok(Some(Ok(Prepared::Async(future)))) => {
            let ended = panics::catch(|| tokio.block_on(early_end.unless(future)));
            ended.transpose().map_or_else(|| ended_early(context), judge)
        }
        Ok(Some(Err(error))) => Outcome::error(error),
        Ok(None) => ended_early(context),
        Err(Ended::Skipped(reason)) => Outcome::Skipped { reason },
        Err(Ended::Panicked(panic)) => Outcome::error(format!("a fixture {}", described(&panic))),
    };
    let outcome = tear_down(&tokio, context, outcome);
    blame_early_end(context, close(tokio, outcome))
}

/// The outcome of a function that did not come to its end.
fn ended_early(context: &CaseContext) -> Outcome {
    Outcome::failed(context.early_end().reason().unwrap_or_default())
}

/// What ended the case early is to blame for whatever followed.
fn blame_early_end(context: &CaseContext, outcome: Outcome) -> Outcome {
    match (context.early_end().reason(), outcome) {
        (None, outcome) | (Some(_), outcome @ Outcome::Skipped { .. }) => outcome,
        (Some(_), Outcome::Passed) => ended_early(context),
        (Some(reason), Outcome::Failed { message, place: None }) if message.starts_with(reason) => {
            Outcome::failed(message)
        }
        (Some(reason), outcome) => {
            Outcome::failed(format!("{reason}\nthe case then {}", outcome.headline()))
        }
    }
}

fn tokio(runtime: Runtime) -> Result<Tokio, Outcome> {
    let mut builder = match runtime {
        Runtime::CurrentThread { .. } => Builder::new_current_thread(),
        Runtime::MultiThread { .. } => Builder::new_multi_thread(),
    };
    match runtime {
        Runtime::CurrentThread { start_paused } => {
            builder.start_paused(start_paused);
        }
        Runtime::MultiThread { worker_threads: Some(threads) } => {
            builder.worker_threads(threads);
        }
        Runtime::MultiThread { worker_threads: None } => {}
    }
    let built = builder.enable_all().build();
    built.map_err(|error| Outcome::error(format!("no tokio runtime could be built: {error}")))
}

/// Drops the runtime, and with it what tasks still hold, which may panic.
fn close(tokio: Tokio, outcome: Outcome) -> Outcome {
    match panics::catch(|| drop(tokio)) {
        Err(Ended::Panicked(panic)) if outcome.passed() => panic.into(),
        _ => outcome,
    }
}

/// Runs what the fixtures registered, the last first; each, whatever became of the others.
fn tear_down(tokio: &Tokio, context: &CaseContext, outcome: Outcome) -> Outcome {
    let passed = outcome.passed() && context.early_end().reason().is_none();
    let verdict = if passed { Verdict::Passed } else { Verdict::Failed };
    let mut errors = Vec::new();
    while let Some(teardown) = context.next_teardown() {
        match panics::catch(|| tokio.block_on(teardown(verdict))) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => errors.push(error),
            Err(Ended::Panicked(panic)) => errors.push(FixtureError::new(described(&panic))),
            Err(Ended::Skipped(reason)) => {
                errors.push(FixtureError::new(format!("skip!({reason:?}) comes too late here")));
            }
        }
    }
    if errors.is_empty() {
        return outcome;
    }
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let errors = format!("teardown: {}", errors.join("; "));
    match outcome {
        Outcome::Passed | Outcome::Skipped { .. } => Outcome::error(errors),
        // What went wrong first is what matters; the rest is told beside it.
        Outcome::Failed { message, place } => {
            Outcome::Failed { message: format!("{message}\nthen {errors}"), place }
        }
        Outcome::Error { message } => Outcome::error(format!("{message}\nthen {errors}")),
        // A function that has returned has no other end.
        other => other,
    }
}

fn described(panic: &Panic) -> String {
    match &panic.place {
        Some(place) => format!("panicked at {place}: {}", panic.message),
        None => format!("panicked: {}", panic.message),
    }
}

/// What a function's end means, `#[should_panic]` considered.
fn judge(definition: &Definition, ended: Result<TestResult, Ended>) -> Outcome {
    match (definition.settings.should_panic, ended) {
        (_, Err(Ended::Skipped(reason))) => Outcome::Skipped { reason },
        (None, Ok(Ok(()))) | (Some(None), Err(Ended::Panicked(_))) => Outcome::Passed,
        (None, Ok(Err(error))) => Outcome::failed(format!("returned an error: {error}")),
        (None, Err(Ended::Panicked(panic))) => panic.into(),
        (Some(_), Ok(Ok(()))) => Outcome::failed("the test did not panic, as it should"),
        (Some(_), Ok(Err(error))) => Outcome::failed(format!(
            "the test did not panic, as it should, but returned an error: {error}"
        )),
        (Some(Some(expected)), Err(Ended::Panicked(panic))) => {
            if panic.message.contains(expected) {
                return Outcome::Passed;
            }
            let message =
                format!("{}\nthe panic's message should contain {expected:?}", panic.message);
            Panic { message, ..panic }.into()
        }
    }
}

impl From<Panic> for Outcome {
    fn from(Panic { message, place }: Panic) -> Self {
        Self::Failed { message, place }
    }
}
