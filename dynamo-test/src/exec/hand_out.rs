//! What goes on between the controller and one worker: cases are handed over, ahead of need where they are short, and
//! the answers are heard.
//!
//! A worker runs what it was handed in turn, and says of each case how it ended before it begins the next. So whatever
//! becomes of the worker, the first case without an answer is the one that it ran, and those behind it have not begun:
//! they go elsewhere. So they do where the one before them turns out to be long. Only where a test writes into the
//! worker's own socket are answers lost, and what was behind it may begin once more.

use std::collections::VecDeque;
use std::mem;
use std::thread;
use std::time::Duration;

use super::finished::Attempt;
use super::wire::{self, Answer, Order, Report};
use super::worker_process::{Lost, WorkerProcess};
use super::workers::{Cases, Request, Workers};
use crate::process;
use crate::process_groups::Stopwatch;
use crate::stop;

/// How many cases a worker has before it at most, the one that it runs included.
const MOST: usize = 64;

/// A case is short if it took no longer; so many of them, handed over together, are soon over.
const SHORT: Duration = Duration::from_micros(500);

/// How long a case runs until it is said that it does, and until those behind it go elsewhere.
const LONG: Duration = Duration::from_millis(5);

/// Behind a case that has less time nothing waits: it may be given up before what is behind it could be recalled.
const LITTLE_TIME: Duration = Duration::from_secs(1);

/// How long answers may gather while a worker has plenty to do: to be woken for each takes longer than to read it.
const GATHERING: Duration = Duration::from_micros(400);

/// How many cases are plenty.
const PLENTY: usize = 16;

/// A worker and what it was handed.
pub(super) struct HandOut<'a, C> {
    workers: &'a Workers,
    worker: WorkerProcess,
    /// Whether it was started for what it is handed here, and not before.
    is_new: bool,
    cases: &'a mut C,
    /// What comes before the others of `cases`.
    next: Option<Request>,
    /// What it has not answered yet; the one that it runs comes first.
    handed: VecDeque<Request>,
    /// How many cases it may have before it.
    most: usize,
    /// Since when it runs the first.
    since: Stopwatch,
    /// Whether it was looked for the answer of the first once its time was over.
    is_overdue: bool,
    /// Whether it was told of the first that it runs.
    is_told: bool,
    /// Whether what has not begun was called back, and no answer came yet.
    is_recalling: bool,
}

impl<'a, C: Cases> HandOut<'a, C> {
    pub(super) fn new(
        workers: &'a Workers,
        (worker, is_new): (WorkerProcess, bool),
        cases: &'a mut C,
        next: Request,
    ) -> Self {
        Self {
            workers,
            worker,
            is_new,
            cases,
            next: Some(next),
            handed: VecDeque::new(),
            most: 1,
            since: Stopwatch::start(),
            is_overdue: false,
            is_told: false,
            is_recalling: false,
        }
    }

    /// Goes on until there is no next case; then the worker may be handed others. Or until it is of no more use.
    pub(super) fn run(mut self) -> Option<WorkerProcess> {
        loop {
            let step = match self.worker.answer() {
                Ok(Some(answer)) => self.heed(answer),
                Ok(None) => self.hand_over().and_then(|()| self.wait()),
                Err(lost) => Err(lost.into()),
            };
            match step {
                Ok(()) => {}
                Err(End::Done) => return Some(self.worker),
                Err(End::Spent) => break,
                Err(End::Lost(lost)) => {
                    self.cases.settle();
                    self.lose(lost);
                    break;
                }
            }
        }
        self.cases.take_back(mem::take(&mut self.handed));
        self.cases.settle();
        None
    }

    /// Hands over what may run next.
    fn hand_over(&mut self) -> Result<(), End> {
        let had = self.handed.len();
        if self.is_recalling && had == 0 {
            // All that was called back had begun, and ended, before it was heard.
            return Err(End::Spent);
        }
        let most = self.most.min(self.cases.ahead()).max(1);
        if had > most / 2 || self.is_recalling {
            return Ok(());
        }
        if had == 0 {
            // Where it fails the file only grows.
            let _ = self.worker.make_room();
        }
        let mut orders = Vec::new();
        while self.handed.len() < most && self.may_have_more() {
            let Some(request) = self.next.take().or_else(|| self.cases.next()) else { break };
            wire::put_run(&request.assignment, &mut orders);
            self.handed.push_back(request);
        }
        if self.handed.is_empty() {
            return Err(End::Done);
        }
        if orders.is_empty() {
            return Ok(());
        }
        if self.worker.order(&orders).is_err() {
            if had == 0 && !self.is_new {
                // It died of what an earlier case left in it, which is no fault of these.
                return Err(End::Spent);
            }
            // What it said before it died is still to be heard.
            self.cases.take_back(self.handed.split_off(had.max(1)));
        }
        if had == 0 {
            self.next_runs();
        }
        Ok(())
    }

    fn may_have_more(&self) -> bool {
        let has_time =
            |last: &Request| last.deadline.within.is_none_or(|timeout| timeout >= LITTLE_TIME);
        self.handed.is_empty() || !self.worker.is_full() && self.handed.back().is_none_or(has_time)
    }

    /// The first of those handed over runs from now on.
    fn next_runs(&mut self) {
        self.since = Stopwatch::start();
        self.is_overdue = false;
        self.is_told = false;
        if let Some(running) = self.handed.front_mut() {
            // It was handed over a little earlier.
            running.deadline = running.deadline.within_the_run();
        }
    }

    /// Waits for answers.
    fn wait(&mut self) -> Result<(), End> {
        let Some(running) = self.handed.front() else { return Ok(()) };
        let elapsed = self.since.elapsed();
        let until_long = LONG.saturating_sub(elapsed);
        // Of one that is likely to be over at once it is told when it has ended.
        let is_to_be_told = self.most == 1 || until_long.is_zero();
        if is_to_be_told && !mem::replace(&mut self.is_told, true) {
            self.cases.runs(running, self.worker.pid());
        }
        self.cases.settle();
        let timeout = running.deadline.within;
        let left = timeout.map(|timeout| timeout.saturating_sub(elapsed));
        if let (Some(Duration::ZERO), Some(timeout)) = (left, timeout)
            && mem::replace(&mut self.is_overdue, true)
        {
            self.worker.give_up();
            return Err(Lost::TimedOut(timeout).into());
        }
        let holds_up = self.handed.len() > 1 && !self.is_recalling;
        let is_long = self.most == 1 || until_long.is_zero();
        if holds_up && (is_long || stop::reason().is_some()) {
            let mut order = Vec::new();
            wire::put(&Order::Recall, &mut order);
            // Whether there is somebody to hear it is seen below.
            let _ = self.worker.order(&order);
            self.is_recalling = true;
        } else if self.handed.len() >= PLENTY {
            thread::sleep(GATHERING);
        }
        let awaits_long = !self.is_told || (holds_up && !self.is_recalling);
        let within = left.into_iter().chain(awaits_long.then_some(until_long)).min();
        Ok(self.worker.wait(within)?)
    }

    fn heed(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Ended(report) => self.ended(report),
            Answer::Noted(note) => {
                let running = self.handed.front();
                if let Some(running) = running.filter(|it| it.assignment.index == note.index) {
                    if !mem::replace(&mut self.is_told, true) {
                        self.cases.runs(running, self.worker.pid());
                    }
                    self.cases.noted(running, note.value);
                }
                Ok(())
            }
            Answer::Returned(count) => {
                let kept = self.handed.len().saturating_sub(count);
                self.cases.take_back(self.handed.split_off(kept));
                self.is_recalling = false;
                self.most = 1;
                Ok(())
            }
            // Nobody has asked for them.
            Answer::StacksPrinted => Ok(()),
        }
    }

    /// The first of those handed over has come to an end of its own.
    fn ended(&mut self, report: Report) -> Result<(), End> {
        let Report { outcome, nanos, printed, traces } = report;
        // Somebody else has written into the socket.
        let Some(request) = self.handed.pop_front() else { return Err(End::Spent) };
        self.cases.answered();
        let output = if outcome.passed() && !self.workers.command.show_output {
            self.worker.skip_output(printed);
            None
        } else {
            let whole = (!outcome.passed()).then(|| self.workers.whole_output(&request));
            // What cannot be read is missing, which is all.
            self.worker.take_output(Some(printed), whole.as_deref()).ok().flatten()
        };
        let duration = Duration::from_nanos(nanos);
        self.is_new = false;
        self.most = match duration {
            short if short <= SHORT => MOST.min(self.most * 2),
            long if long >= LONG => 1,
            _ => (self.most / 2).max(1),
        };
        let is_spent = !traces.is_empty();
        let pid = Some(self.worker.pid());
        self.cases.ended(request, Attempt { outcome, output, duration, traces, pid });
        self.next_runs();
        if is_spent { Err(End::Spent) } else { Ok(()) }
    }

    /// The first of those handed over has come to no end of its own.
    fn lose(&mut self, lost: Lost) {
        let Some(request) = self.handed.pop_front() else { return };
        if let Lost::Garbled(_) = lost {
            // Its answers cannot be told apart any more, so it shall begin nothing.
            self.worker.kill();
        }
        self.cases.answered();
        let duration = self.since.elapsed();
        let whole = self.workers.whole_output(&request);
        let output = self.worker.take_output(None, Some(&whole)).ok().flatten();
        let outcome = lost.outcome(self.worker.end());
        // Those that the case is known to have started are ended in order; what else is left bears its trace.
        process::wait_for_end(&request.assignment.grants.temp);
        let traces = self.worker.end_brood();
        let pid = Some(self.worker.pid());
        self.cases.ended(request, Attempt { outcome, output, duration, traces, pid });
    }
}

/// Why a worker is handed no more.
enum End {
    /// There is no next case.
    Done,
    /// It bears the traces of a case, or died of them: it runs nothing more.
    Spent,
    /// It did not say what became of a case.
    Lost(Lost),
}

impl From<Lost> for End {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}
