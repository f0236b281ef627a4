//! What the panic hook learns and `catch_unwind` does not tell: where a panic happened, and that there was one at
//! all in another thread or in a task.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use super::Outcome;
use super::lineage::Lineage;
use crate::case::Definition;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
    /// Whether this thread calls a case's function: what ends that is not for the hook to report.
    static CALLS_THE_CASE: Cell<bool> = const { Cell::new(false) };
}

/// How many panics of one case's threads and tasks are told of.
const MOST_STRAYS: usize = 5;

/// What ended a call before it returned.
pub(crate) enum Ended {
    Panicked(Panic),
    /// `skip!`, with its reason.
    Skipped(String),
}

/// The payload of `skip!`.
struct Skip(String);

/// Ends the case, which is reported as skipped for this reason.
pub fn skip(reason: String) -> ! {
    // Not by a panic, which the hook would print.
    panic::resume_unwind(Box::new(Skip(reason)))
}

/// A panic that ended a call.
pub(crate) struct Panic {
    pub(crate) message: String,
    /// `file:line:column`; unknown if the test replaced the panic hook.
    pub(crate) place: Option<String>,
}

/// Calls `body` and catches its panic. The usual hook still prints it.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Ended> {
    PLACE.take();
    panic::catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        match payload.downcast::<Skip>() {
            Ok(skip) => Ended::Skipped(skip.0),
            Err(payload) => {
                let panic = Panic { message: message(&*payload), place: PLACE.take() };
                // Dropping it could panic again, and a case leaves worse things behind.
                std::mem::forget(payload);
                Ended::Panicked(panic)
            }
        }
    })
}

/// A panic of a case, but not of its function: it ended a thread or a task.
struct Stray {
    panic: Panic,
    /// What it ended.
    of: String,
}

/// A case that is being watched.
struct Watched {
    lineage: Lineage,
    strays: Vec<Stray>,
    /// How many panics there are of which it is not yet known whether they will be caught.
    undecided: usize,
}

/// The cases that are being watched.
static WATCHED: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

/// Says that a panic has been decided on.
static DECIDED: Condvar = Condvar::new();

/// How long that may take: a backtrace is read, with the program's debug information.
const DECIDED_WITHIN: Duration = Duration::from_secs(10);

/// Takes note of the panics in a case's threads and tasks.
///
/// A thread is of the case whose thread started it, however many threads lie between. One that no case started, or of
/// which the system does not tell, is of the case that is watched, if that is the only one.
///
/// Whether somebody will look at the result of the thread or task cannot be seen from here: neither std nor tokio
/// tells whether a handle was dropped, and a test may join a thread without asking how it ended. So each such panic
/// counts, unless the case says `catches_panics` or, by `#[should_panic]`, that it is about a panic.
pub(super) struct Watch(Lineage);

impl Watch {
    pub(super) fn new() -> Self {
        let lineage = Lineage::new();
        let mut watched = watched();
        if watched.is_empty() {
            // An earlier case may have put another hook in its place.
            set_hook();
        }
        watched.push(Watched { lineage, strays: Vec::new(), undecided: 0 });
        Self(lineage)
    }

    /// The number of the case, for the thread that will run it.
    pub(super) fn lineage(&self) -> Lineage {
        self.0
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        watched().retain(|case| case.lineage != self.0);
    }
}

/// What the panics of a case's threads and tasks, since the last call, make of its outcome.
pub(super) fn judge(case: Lineage, definition: &Definition, outcome: Outcome) -> Outcome {
    let is_undecided =
        |watched: &mut Vec<_>| find(watched, Some(case)).is_some_and(|case| case.undecided > 0);
    let waited = DECIDED.wait_timeout_while(watched(), DECIDED_WITHIN, is_undecided);
    let (mut watched, _) = waited.unwrap_or_else(PoisonError::into_inner);
    let strays = find(&mut watched, Some(case)).map(|case| std::mem::take(&mut case.strays));
    let strays = strays.unwrap_or_default();
    drop(watched);
    if definition.settings.catches_panics || definition.settings.should_panic.is_some() {
        return outcome;
    }
    strays.into_iter().fold(outcome, |outcome, Stray { panic, of }| match outcome {
        Outcome::Passed => {
            let message = format!(
                "{}\nthis was in {of}, not in the test function; a case that deals with such panics itself says so: \
                 `catches_panics`",
                panic.message
            );
            Outcome::Failed { message, place: panic.place }
        }
        outcome => {
            let place = panic.place.unwrap_or_else(|| "an unknown place".into());
            outcome.with_remark(&format!("{of} panicked at {place}: {}", panic.message))
        }
    })
}

/// Has this thread, and those that it starts, belong to the case that it is about to run.
pub(super) fn begin(case: Lineage) {
    case.adopt();
    CALLS_THE_CASE.set(true);
}

/// Readies this thread to run cases: what [`begin`] and [`catch`] have in thread-locals is there from now on.
pub(super) fn ready() {
    PLACE.take();
    CALLS_THE_CASE.set(true);
}

/// Has the panic hook note what it learns, and then do what it did before there was a case.
fn set_hook() {
    type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;
    static USUAL: OnceLock<Hook> = OnceLock::new();
    let usual = USUAL.get_or_init(panic::take_hook);
    panic::set_hook(Box::new(|info| {
        note(info);
        usual(info);
    }));
}

/// Notes where the panic is, and whose it is if it is not the test function's own.
fn note(info: &PanicHookInfo<'_>) {
    let place = info.location().map(ToString::to_string);
    PLACE.set(place.clone());
    // Tasks run on the case's own thread, too; tokio knows on any thread whether it runs one.
    let in_task = tokio::task::try_id().is_some();
    if CALLS_THE_CASE.get() && !in_task {
        return;
    }
    let origin = Lineage::of_this_thread();
    // It may be of a case that is over, or of none.
    let Some(()) = find(&mut watched(), origin).map(|case| case.undecided += 1) else { return };
    let counts = !is_caught(&Backtrace::force_capture().to_string());
    if let Some(case) = find(&mut watched(), origin) {
        case.undecided = case.undecided.saturating_sub(1);
        if counts && case.strays.len() < MOST_STRAYS {
            let panic = Panic { message: message(info.payload()), place };
            case.strays.push(Stray { panic, of: described(in_task) });
        }
    }
    DECIDED.notify_all();
}

/// The case that a thread comes from.
fn find(watched: &mut [Watched], origin: Option<Lineage>) -> Option<&mut Watched> {
    match (origin, watched) {
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(origin), all) => all.iter_mut().find(|case| case.lineage == origin),
    }
}

/// What this thread is running.
fn described(in_task: bool) -> String {
    let thread = thread::current();
    match (in_task, thread.name()) {
        (true, _) => "a task".into(),
        (false, Some(name)) => format!("the thread `{name}`"),
        (false, None) => "a thread without a name".into(),
    }
}

/// Whether a panic with this backtrace ends in a `catch_unwind` on its way, and so neither a thread nor a task. It
/// does not if no symbols tell.
fn is_caught(backtrace: &str) -> bool {
    const CATCHES: [&str; 4] = [
        "std::panic::catch_unwind",
        "std::panicking::catch_unwind",
        "std::panicking::try",
        "__rust_try",
    ];
    let catches = |frame: &&str| CATCHES.iter().any(|name| frame.contains(name));
    let frames = backtrace.lines().filter_map(|line| {
        let (number, name) = line.trim_start().split_once(": ")?;
        number.parse::<u32>().is_ok().then_some(name)
    });
    let catcher = frames.skip_while(|frame| !catches(frame)).find(|frame| !catches(frame));
    catcher
        .is_some_and(|name| !name.contains("std::thread::") && !name.contains("tokio::runtime::"))
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}

fn watched() -> MutexGuard<'static, Vec<Watched>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}
