//! The cases that need nothing of their own, neither a server nor a GPU nor a process: any worker may run them, so they
//! need not be asked for one at a time. They are handed out in the order of the run, and who asks for one later on
//! finds what became of it.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::Outcome;
use super::board::Entry;
use super::environment::{self, Environment};
use super::finished::{Attempt, Finished};
use super::round::Round;
use super::runner::Runner;
use super::workers::{Cases, Request};
use crate::aside::HARNESS_THREAD;
use crate::case::Case;
use crate::fixture::Grants;
use crate::stop::{self, Stop};

/// Such cases, and the threads that hand them out. Of each is kept what its conclusion was.
pub(crate) struct Stream<T> {
    queue: Arc<Queue<T>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A case that has begun, and the process that runs it.
pub(crate) type Began = (&'static str, u32);

/// Who is told of such cases.
pub(crate) trait Audience<T>: Send + Sync {
    /// This one has begun.
    fn began(&self, began: Began);
    /// One has ended, of which it may not have been said that it had begun. Others may follow at once. What is made of
    /// it?
    fn conclude(
        &self,
        case: &Case,
        began: Option<Began>,
        finished: Finished,
        others_follow: bool,
    ) -> T;
    /// What is made of one that was lost by a fault in the harness.
    fn lost(&self) -> T;
}

struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    audience: Arc<dyn Audience<T>>,
    round: Round,
    /// How many threads hand out.
    threads: usize,
}

struct State<T> {
    /// What has not begun, the next first.
    waiting: VecDeque<Arc<Case>>,
    /// How many were handed out and have not ended.
    under_way: usize,
    /// By the index of the case.
    conclusions: Vec<Known<T>>,
    /// A thread has panicked: what it handed out is lost.
    is_broken: bool,
}

/// What is known of a case.
enum Known<T> {
    /// It is none of these, or was taken.
    Nothing,
    Expected,
    Concluded(Box<T>),
}

impl<T: Send + 'static> Stream<T> {
    /// Begins to run those of these cases that any worker may run, as many at once as there are `threads`.
    pub(crate) fn start(
        runner: &Arc<Runner>,
        cases: impl Iterator<Item = Arc<Case>>,
        round: Round,
        threads: usize,
        audience: Arc<dyn Audience<T>>,
    ) -> Self {
        let cases = runner.for_any_worker(cases, threads);
        let count = cases.iter().map(|case| case.index + 1).max().unwrap_or_default();
        let mut conclusions: Vec<Known<T>> = (0..count).map(|_| Known::Nothing).collect();
        for case in &cases {
            conclusions[case.index] = Known::Expected;
        }
        // What they have in common: none has an environment of its own.
        let environment =
            cases.first().map(|case| environment::of(case.definition, &Grants::default()));
        let threads = threads.min(cases.len());
        let state = State { waiting: cases.into(), under_way: 0, conclusions, is_broken: false };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let queue = Arc::new(Queue { state, changed, audience, round, threads });
        let start = |environment: &Environment| {
            let (environment, queue, runner) =
                (environment.clone(), Arc::clone(&queue), Arc::clone(runner));
            let hands_out = move || queue.hand_out(&runner, &environment);
            thread::Builder::new().name(HARNESS_THREAD.into()).spawn(hands_out)
        };
        let threads: Vec<_> =
            (0..threads).filter_map(|_| environment.as_ref().map(start)?.ok()).collect();
        if threads.is_empty() {
            // Then they are asked for one at a time, like all others.
            queue.state().conclusions.clear();
        }
        Self { queue, threads: Mutex::new(threads) }
    }

    /// Waits for what became of a case; none if it is not one of these.
    pub(crate) fn take(&self, case: &Case) -> Option<T> {
        let mut state = self.queue.state();
        loop {
            let is_broken = state.is_broken;
            let known = state.conclusions.get_mut(case.index)?;
            match mem::replace(known, Known::Nothing) {
                Known::Nothing => return None,
                Known::Concluded(conclusion) => return Some(*conclusion),
                Known::Expected if is_broken => return Some(self.queue.audience.lost()),
                Known::Expected => *known = Known::Expected,
            }
            state = self.queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for the threads, which have nothing left to do once all cases were taken.
    pub(crate) fn end(&self) {
        let threads = mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // It has said so if it panicked.
            let _ = thread.join();
        }
    }
}

impl<T> Queue<T> {
    /// Hands out cases until there are none.
    fn hand_out(&self, runner: &Runner, environment: &Environment) {
        let Some(workers) = runner.workers() else { return };
        let mut share = Share { queue: self, runner, began: None, runs: None, ended: Vec::new() };
        while self.wait_for_more() {
            let slot = runner.slots().acquire_spare();
            workers.run(environment, false, &mut share);
            share.settle();
            drop(slot);
            runner.slot_is_free();
        }
    }

    /// Waits until something may be handed out; false once nothing ever will be.
    fn wait_for_more(&self) -> bool {
        let is_undecided = |state: &mut State<T>| {
            state.waiting.is_empty() && state.under_way > 0 && !state.is_broken
        };
        let waited = self.changed.wait_while(self.state(), is_undecided);
        !waited.unwrap_or_else(PoisonError::into_inner).waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one of the threads hands out.
struct Share<'a, T> {
    queue: &'a Queue<T>,
    runner: &'a Runner,
    /// What runs, and was not told.
    began: Option<Began>,
    /// The case of which it was said that it runs, and its place on the board.
    runs: Option<(usize, Entry)>,
    /// What became of cases since it was last made known, and of which it was not said that they had begun.
    ended: Vec<(Arc<Case>, Option<Began>, Attempt)>,
}

impl<T> Share<'_, T> {
    /// The run is over before the case begins.
    fn does_not_begin(&mut self, case: Arc<Case>, stop: Stop) {
        self.runner.board().passed_by();
        self.ended.push((case, None, Attempt::of(Outcome::not_begun(stop))));
    }
}

impl<T> Cases for Share<'_, T> {
    fn next(&mut self) -> Option<Request> {
        if self.runner.slots().are_wanted() {
            return None;
        }
        loop {
            let mut state = self.queue.state();
            let case = state.waiting.pop_front()?;
            state.under_way += 1;
            drop(state);
            if let Some(stop) = stop::reason() {
                self.does_not_begin(case, stop);
                continue;
            }
            let round = self.queue.round;
            let grants = self.runner.grants(&case, round);
            let deadline = self.runner.deadline(&case);
            return Some(self.runner.request(case, round, grants, deadline));
        }
    }

    fn take_back(&mut self, requests: VecDeque<Request>) {
        if requests.is_empty() {
            return;
        }
        let mut state = self.queue.state();
        state.under_way -= requests.len();
        for request in requests.into_iter().rev() {
            state.waiting.push_front(request.case);
        }
        drop(state);
        self.queue.changed.notify_all();
    }

    fn runs(&mut self, request: &Request, pid: u32) {
        let entry = self.runner.board().enter(request.case.name());
        entry.runs();
        self.runs = Some((request.case.index, entry));
        self.began = Some((request.case.name(), pid));
    }

    fn noted(&mut self, request: &Request, note: Value) {
        self.settle();
        self.runner.note(&request.case, note);
    }

    fn answered(&mut self) {}

    fn ended(&mut self, request: Request, mut attempt: Attempt) {
        let case = request.case;
        let mut began = None;
        if self.runs.take().is_none_or(|(running, _)| running != case.index) {
            self.runner.board().passed_by();
            began = attempt.pid.map(|pid| (case.name(), pid));
        }
        request.deadline.explain(&mut attempt.outcome);
        self.ended.push((case, began, attempt));
    }

    fn ahead(&self) -> usize {
        // At the end, each has its share.
        self.queue.state().waiting.len() / self.queue.threads
    }

    fn settle(&mut self) {
        let Self { queue, runner, ended, .. } = self;
        let count = ended.len();
        let mut concluded = Vec::with_capacity(count);
        for (number, (case, began, attempt)) in ended.drain(..).enumerate() {
            let finished = runner.finish(&case, queue.round, attempt, None);
            let others_follow = number + 1 < count;
            let conclusion = queue.audience.conclude(&case, began, finished, others_follow);
            concluded.push((case.index, conclusion));
        }
        // After those before it, so that the order is that of the cases.
        if let Some(began) = self.began.take() {
            queue.audience.began(began);
        }
        if count == 0 {
            return;
        }
        let mut state = queue.state();
        state.under_way -= count;
        for (index, conclusion) in concluded {
            state.conclusions[index] = Known::Concluded(Box::new(conclusion));
        }
        drop(state);
        queue.changed.notify_all();
    }
}

impl<T> Drop for Share<'_, T> {
    fn drop(&mut self) {
        self.runs = None;
        if thread::panicking() {
            self.queue.state().is_broken = true;
            self.queue.changed.notify_all();
        }
    }
}
