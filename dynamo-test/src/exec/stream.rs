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
use super::finished::Attempt;
use super::round::Round;
use super::runner::Runner;
use super::workers::{Cases, Request};
use crate::aside::HARNESS_THREAD;
use crate::case::Case;
use crate::fixture::Grants;
use crate::stop;

/// Such cases, and the threads that hand them out.
pub(super) struct Stream {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What was asked of a [`Stream`].
pub(super) struct Taken {
    pub(super) attempt: Attempt,
    /// Whether the next can be taken at once.
    pub(super) is_followed: bool,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// What has not begun, the next first.
    waiting: VecDeque<Arc<Case>>,
    /// How many were handed out and have not ended.
    under_way: usize,
    /// By the index of the case.
    results: Vec<Known>,
    /// How many results nobody has taken.
    ready: usize,
    /// Nobody hands out any more, because of a fault in the harness.
    is_broken: bool,
}

/// What is known of a case.
enum Known {
    /// It is none of these, or was taken.
    None,
    Expected,
    Ended(Box<Attempt>),
}

impl Stream {
    /// Begins to hand out these cases, on as many threads; `told` is told of a case that runs, and of its process.
    pub(super) fn start(
        runner: &Arc<Runner>,
        cases: Vec<Arc<Case>>,
        round: Round,
        threads: usize,
        told: impl Fn(&[Began]) + Clone + Send + 'static,
    ) -> Self {
        let count = cases.iter().map(|case| case.index + 1).max().unwrap_or_default();
        let mut results: Vec<Known> = (0..count).map(|_| Known::None).collect();
        for case in &cases {
            results[case.index] = Known::Expected;
        }
        // What they have in common: none has an environment of its own.
        let environment =
            cases.first().map(|case| environment::of(case.definition, &Grants::default()));
        let threads = threads.min(cases.len());
        let state =
            State { waiting: cases.into(), under_way: 0, results, ready: 0, is_broken: false };
        let queue = Arc::new(Queue { state: Mutex::new(state), changed: Condvar::new() });
        let start = |environment: &Environment| {
            let (environment, queue, runner) =
                (environment.clone(), Arc::clone(&queue), Arc::clone(runner));
            let told = told.clone();
            let hands_out = move || queue.hand_out(&runner, &environment, round, &told);
            thread::Builder::new().name(HARNESS_THREAD.into()).spawn(hands_out)
        };
        let threads: Vec<_> =
            (0..threads).filter_map(|_| environment.as_ref().map(start)?.ok()).collect();
        if threads.is_empty() {
            // Then they are asked for one at a time, like all others.
            queue.state().results.clear();
        }
        Self { queue, threads: Mutex::new(threads) }
    }

    /// Waits for what became of a case; none if it is not one of these.
    pub(super) fn take(&self, index: usize) -> Option<Taken> {
        let mut state = self.queue.state();
        loop {
            let is_broken = state.is_broken;
            let slot = state.results.get_mut(index)?;
            match mem::replace(slot, Known::None) {
                Known::None => return None,
                Known::Ended(ended) => {
                    state.ready -= 1;
                    return Some(Taken { attempt: *ended, is_followed: state.ready > 0 });
                }
                Known::Expected if is_broken => {
                    let attempt = Attempt::error("the harness itself panicked: please report this");
                    return Some(Taken { attempt, is_followed: false });
                }
                Known::Expected => *slot = Known::Expected,
            }
            state = self.queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for the threads, which have nothing left to do once all cases were taken.
    pub(super) fn end(&self) {
        let threads = mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // It has said so if it panicked.
            let _ = thread.join();
        }
    }
}

impl Queue {
    /// Hands out cases until there are none.
    fn hand_out(
        &self,
        runner: &Runner,
        environment: &Environment,
        round: Round,
        told: &dyn Fn(&[Began]),
    ) {
        let Some(workers) = runner.workers() else { return };
        let mut share = Share {
            queue: self,
            runner,
            round,
            told,
            began: Vec::new(),
            runs: None,
            ended: Vec::new(),
        };
        while self.wait_for_more() {
            let slot = runner.slots().acquire();
            workers.run(environment, false, &mut share);
            share.publish();
            drop(slot);
            runner.slot_is_free();
        }
    }

    /// Waits until something may be handed out; false once nothing ever will be.
    fn wait_for_more(&self) -> bool {
        let is_undecided = |state: &mut State| state.waiting.is_empty() && state.under_way > 0;
        let waited = self.changed.wait_while(self.state(), is_undecided);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = stop::reason() {
            for case in mem::take(&mut state.waiting) {
                let attempt = Attempt::of(Outcome::not_begun(stop));
                state.add(case.index, attempt);
            }
            self.changed.notify_all();
        }
        !state.waiting.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, index: usize, attempt: Attempt) {
        self.results[index] = Known::Ended(Box::new(attempt));
        self.ready += 1;
    }
}

/// What one of the threads hands out.
struct Share<'a> {
    queue: &'a Queue,
    runner: &'a Runner,
    round: Round,
    told: &'a dyn Fn(&[Began]),
    /// What has begun, and was not told.
    began: Vec<Began>,
    /// The case of which it was said that it runs, and its place on the board.
    runs: Option<(usize, Entry)>,
    /// What became of cases since it was last made known.
    ended: Vec<(usize, Attempt)>,
}

/// A case that has begun, and the process that runs it.
pub(crate) type Began = (&'static str, u32);

impl Share<'_> {
    fn tell(&mut self) {
        if !self.began.is_empty() {
            (self.told)(&self.began);
            self.began.clear();
        }
    }

    /// Makes known what became of cases.
    fn publish(&mut self) {
        self.tell();
        if self.ended.is_empty() {
            return;
        }
        let mut state = self.queue.state();
        state.under_way -= self.ended.len();
        for (index, attempt) in self.ended.drain(..) {
            state.add(index, attempt);
        }
        drop(state);
        self.queue.changed.notify_all();
    }
}

impl Cases for Share<'_> {
    fn next(&mut self) -> Option<Request> {
        if stop::reason().is_some() || self.runner.slots().are_wanted() {
            return None;
        }
        let mut state = self.queue.state();
        let case = state.waiting.pop_front()?;
        state.under_way += 1;
        drop(state);
        let grants = self.runner.grants(&case, self.round);
        let deadline = self.runner.deadline(&case);
        Some(self.runner.request(case, self.round, grants, deadline))
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
        self.began.push((request.case.name(), pid));
    }

    fn noted(&mut self, request: &Request, note: Value) {
        self.tell();
        self.runner.note(&request.case, note);
    }

    fn answered(&mut self) {}

    fn ended(&mut self, request: Request, attempt: Attempt) {
        let index = request.case.index;
        if self.runs.take().is_none_or(|(running, _)| running != index) {
            self.runner.board().passed_by();
            self.began.extend(attempt.pid.map(|pid| (request.case.name(), pid)));
        }
        let mut attempt = attempt;
        request.deadline.explain(&mut attempt.outcome);
        self.ended.push((index, attempt));
    }

    fn wait(&mut self) {
        self.publish();
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.runs = None;
        if thread::panicking() {
            self.queue.state().is_broken = true;
            self.queue.changed.notify_all();
        }
    }
}
