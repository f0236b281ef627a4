//! Cases that need GPUs wait here, without a slot, until the scheduler has both for them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::slots::{Slot, Slots};
use crate::gpu::{
    self, Ask, Card, Changes, GpuOptions, Lease, LeaseError, Leased, Leases, Need, Reservation,
};
use crate::interrupt;
use crate::schedule::{Admitted, Queue, worth_reserving};

/// How long what nobody tells (memory that others give back) may stay unnoticed.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long others may take to grant a lease before this run goes on without looking.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a card may not answer before it is given up.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// When it is first said that cases wait, and how often then.
const SAY_AFTER: Duration = Duration::from_secs(5);
const SAY_EVERY: Duration = Duration::from_secs(30);

/// The right to run a case with GPUs.
pub(super) struct Turn {
    pub(super) lease: Lease,
    _slot: Slot,
}

/// The cases that wait for GPUs.
pub(super) struct Turns {
    slots: Slots,
    options: GpuOptions,
    /// What the run is of.
    run: String,
    leases: OnceLock<Result<Leases, String>>,
    state: Mutex<State>,
    /// Whether a case could start if it had a slot. Beside the state, which cases without GPUs never wait for.
    lacks_slot: AtomicBool,
    decided: Condvar,
}

#[derive(Default)]
struct State {
    queue: Queue,
    waiting: HashMap<u64, Waiting>,
    /// What became of those that no longer wait.
    turns: HashMap<u64, Result<Turn, String>>,
    next_ticket: u64,
    /// How many more cases come before one starts.
    awaited: usize,
    /// Whether a thread looks out for what others give back.
    is_watched: bool,
    said: Option<Instant>,
    /// Since when which cards do not answer.
    silent: HashMap<usize, Instant>,
}

struct Waiting {
    case: &'static str,
    since: Instant,
    reservation: Option<Reservation>,
}

impl Turns {
    /// So many awaited cases are all seen before one of them starts.
    pub(super) fn new(slots: Slots, options: GpuOptions, run: String, awaited: usize) -> Arc<Self> {
        Arc::new(Self {
            slots,
            options,
            run,
            leases: OnceLock::new(),
            state: Mutex::new(State { awaited, ..State::default() }),
            lacks_slot: AtomicBool::new(false),
            decided: Condvar::new(),
        })
    }

    /// Waits for GPUs and a slot, as one of the awaited cases or as another. The error says why they can never be
    /// had.
    pub(super) fn take(
        self: &Arc<Self>,
        case: &'static str,
        need: Need,
        expected_seconds: f64,
        is_awaited: bool,
    ) -> Result<Turn, String> {
        let mut state = self.state();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.awaited = state.awaited.saturating_sub(is_awaited.into());
        state.queue.push(ticket, need, expected_seconds);
        state.waiting.insert(ticket, Waiting { case, since: Instant::now(), reservation: None });
        self.decide(&mut state);
        loop {
            if let Some(turn) = state.turns.remove(&ticket) {
                return turn;
            }
            if !state.is_watched {
                let turns = Arc::clone(self);
                let watcher = thread::Builder::new().name("gpus".into());
                match watcher.spawn(move || turns.watch()) {
                    Ok(_) => state.is_watched = true,
                    Err(error) => {
                        let error = format!("no thread can be started to wait for GPUs: {error}");
                        self.give_up(&mut state, &error);
                        continue;
                    }
                }
            }
            state = self.decided.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Starts what can start, now that GPUs were given back.
    pub(super) fn look_again(&self) {
        self.decide(&mut self.state());
    }

    /// Starts what only waited for a slot, now that one was given back. Looking at the GPUs takes its time, so not
    /// after each short case.
    pub(super) fn slot_is_free(&self) {
        if self.lacks_slot.load(Ordering::Acquire) {
            self.decide(&mut self.state());
        }
    }

    /// Whether the next slot is for a case with GPUs.
    fn keep_slot(&self, lacks_slot: bool) {
        self.lacks_slot.store(lacks_slot, Ordering::Release);
        self.slots.keep(lacks_slot.into());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks out for what other runs and other programs give back, as long as somebody waits.
    fn watch(&self) {
        let _end = EndOfWatch(self);
        // Where there are no leases, the next look says why.
        let changes = self.leases().map_or_else(|_| Changes::none(), Leases::changes);
        loop {
            changes.wait(LOOK_AGAIN);
            let mut state = self.state();
            match interrupt::told_to_stop() {
                Some(_) => self.give_up(&mut state, "the run was told to stop"),
                None => self.decide(&mut state),
            }
            state.say();
            if state.waiting.is_empty() {
                state.is_watched = false;
                state.said = None;
                return;
            }
        }
    }

    fn leases(&self) -> Result<&Leases, String> {
        let open = || {
            let machine = gpu::machine().map_err(ToString::to_string)?;
            Leases::open(machine, self.run.clone()).map_err(said)
        };
        self.leases.get_or_init(open).as_ref().map_err(Clone::clone)
    }

    fn decide(&self, state: &mut State) {
        if state.waiting.is_empty() || state.awaited > 0 {
            return;
        }
        let decided = self.leases().and_then(|leases| self.grant(leases, state).map_err(said));
        if let Err(error) = decided {
            self.give_up(state, &error);
        }
        if !state.turns.is_empty() {
            self.decided.notify_all();
        }
    }

    /// Nobody can have a lease.
    fn give_up(&self, state: &mut State, error: &str) {
        let tickets: Vec<u64> = state.waiting.keys().copied().collect();
        for ticket in tickets {
            state.settle(ticket, Err(error.to_owned()));
        }
        self.keep_slot(false);
        self.decided.notify_all();
    }

    fn grant(&self, leases: &Leases, state: &mut State) -> Result<(), LeaseError> {
        let Some(mut session) = leases.session_within(PATIENCE)? else {
            // Somebody holds everybody up. Who watches tries again; until then the slots are for others.
            self.keep_slot(false);
            return Ok(());
        };
        let mut slots = self.slots.take_free(state.waiting.len());
        let residents = self.options.residents;
        let leased = session.leased(Ask::WithRoom { residents })?;
        let reservations = state
            .waiting
            .iter()
            .filter_map(|(ticket, waiting)| Some((*ticket, waiting.reservation.as_ref()?)));
        let mut cards = session.cards(&leased, reservations);
        state.refuse_what_broken_cards_cannot_meet(&cards, &leased);
        let before = cards.clone();
        let admitted = state.queue.admit(&mut cards, residents, slots.len());
        for Admitted { ticket, need, cards } in admitted {
            let (Some(slot), Some(waiting)) = (slots.pop(), state.waiting.get(&ticket)) else {
                continue;
            };
            let turn = match session.take(&cards, &before, &need, waiting.case) {
                Ok(lease) => Ok(Turn { lease, _slot: slot }),
                Err(error) => Err(error.to_string()),
            };
            state.settle(ticket, turn);
        }
        self.keep_slot(slots.is_empty() && state.queue.could_admit(&cards, residents));
        let others_hold = leased
            .iter()
            .flat_map(|leased| &leased.residents)
            .any(|resident| resident.pid != std::process::id());
        if others_hold
            && let Some((ticket, need)) = state.has_waited_long(self.options.reserve_after)
            && let Some(chosen) = worth_reserving(&need, &cards)
        {
            let reservation = session.reserve(chosen)?;
            if let Some(waiting) = state.waiting.get_mut(&ticket) {
                waiting.reservation = Some(reservation);
            }
        }
        Ok(())
    }
}

/// However who watches ends, nobody relies on it any longer.
struct EndOfWatch<'a>(&'a Turns);

impl Drop for EndOfWatch<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let mut state = self.0.state();
            state.is_watched = false;
            self.0.give_up(&mut state, "who looks out for free GPUs has panicked");
        }
    }
}

impl State {
    fn settle(&mut self, ticket: u64, turn: Result<Turn, String>) {
        self.queue.remove(ticket);
        // Its reservation goes with it.
        self.waiting.remove(&ticket);
        self.turns.insert(ticket, turn);
    }

    /// A card that no longer answers would be waited for forever. One that was lost never will; of another it takes
    /// more than one failure to say so.
    fn refuse_what_broken_cards_cannot_meet(&mut self, cards: &[Card], leased: &[Leased]) {
        let mut broken = Vec::new();
        for (position, (leased, card)) in leased.iter().zip(cards).enumerate() {
            match &leased.usage {
                Some(Err(error)) => {
                    let since = self.silent.entry(position).or_insert_with(Instant::now);
                    if error.is_lost || since.elapsed() >= SILENT_FOR {
                        let name = &card.name;
                        broken.push((
                            position,
                            format!("a GPU ({name}) is no longer usable: {error}"),
                        ));
                    }
                }
                Some(Ok(_)) => drop(self.silent.remove(&position)),
                None => {}
            }
        }
        if broken.is_empty() {
            return;
        }
        let (places, why): (Vec<usize>, Vec<String>) = broken.into_iter().unzip();
        let sound = |need: &Need| {
            let suits =
                |position: &usize| !places.contains(position) && cards[*position].suits(need);
            (0..cards.len()).filter(suits).count()
        };
        let why = why.join(", ");
        let hopeless: Vec<(u64, String)> = self
            .queue
            .waiting()
            .filter(|(_, need)| sound(need) < need.count as usize)
            .map(|(ticket, need)| (ticket, format!("it needs {need}, and {why}")))
            .collect();
        for (ticket, error) in hopeless {
            self.settle(ticket, Err(error));
        }
    }

    /// The first case that has waited so long and keeps no card free yet. One card may be as hard to get as several:
    /// others that share it come and go, and never leave it as a whole.
    fn has_waited_long(&self, so_long: Duration) -> Option<(u64, Need)> {
        let mut long = self.queue.waiting().filter(|(ticket, _)| {
            let waiting = &self.waiting[ticket];
            waiting.reservation.is_none() && waiting.since.elapsed() >= so_long
        });
        long.next().map(|(ticket, need)| (ticket, need.clone()))
    }

    /// Says now and then what waits for what.
    fn say(&mut self) {
        let Some(longest) = self.waiting.values().map(|waiting| waiting.since.elapsed()).max()
        else {
            return;
        };
        let is_time = self.said.map_or(longest > SAY_AFTER, |said| said.elapsed() > SAY_EVERY);
        if !is_time {
            return;
        }
        self.said = Some(Instant::now());
        let waiting: Vec<String> = self
            .queue
            .waiting()
            .take(4)
            .map(|(ticket, need)| format!("{} for {need}", self.waiting[&ticket].case))
            .collect();
        let more = self.waiting.len().saturating_sub(waiting.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let waiting = waiting.join(", ");
        eprintln!("dynamo-test: waiting: {waiting}{more} (--gpu-status tells who has them)");
    }
}

fn said(error: LeaseError) -> String {
    error.to_string()
}
