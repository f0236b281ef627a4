//! Cases that need GPUs wait here, without a slot, until the scheduler has both for them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::board::Entry;
use super::serial::{self, Groups};
use super::slots::{Slot, Slots};
use super::waits::{GpuWait, Wait};
use crate::gpu::{
    self, Ask, Card, Changes, GpuOptions, Lease, LeaseError, Leased, Leases, Look, Need,
    Reservation,
};
use crate::schedule::{Admitted, Queue, worth_reserving};
use crate::stop;

/// How long what nobody tells (memory that others give back) may stay unnoticed.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How long others may take to grant a lease before this run goes on without looking.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long a card may not answer before it is given up.
const SILENT_FOR: Duration = Duration::from_secs(10);
/// How long cases that were announced may take to come: a run that was cut short holds back the rest.
const COME_WITHIN: Duration = Duration::from_secs(1);

/// The right to run a case with GPUs.
pub(super) struct Turn {
    pub(super) lease: Lease,
    _slot: Slot,
    /// Its turn in its serial group.
    _group: Option<serial::Turn>,
}

/// What a case with GPUs wants.
pub(super) struct Request {
    pub(super) case: &'static str,
    pub(super) need: Need,
    pub(super) expected_seconds: f64,
    /// Its serial group.
    pub(super) group: Option<&'static str>,
}

/// The cases that wait for GPUs.
pub(super) struct Turns {
    slots: Slots,
    options: GpuOptions,
    /// What the run is of.
    run: String,
    groups: Arc<Groups>,
    leases: OnceLock<Result<Leases, String>>,
    state: Mutex<State>,
    /// The GPUs at the last look, for whoever is shown what waits for what.
    look: Arc<Mutex<Look>>,
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
    /// When the first of them came.
    began: Option<Instant>,
    /// Whether a thread looks out for what others give back.
    is_watched: bool,
    /// Since when which cards do not answer.
    silent: HashMap<usize, Instant>,
}

struct Waiting {
    case: &'static str,
    group: Option<&'static str>,
    since: Instant,
    reservation: Option<Reservation>,
}

impl Turns {
    /// So many cases are all seen before one of them starts.
    pub(super) fn new(
        slots: Slots,
        options: GpuOptions,
        run: String,
        groups: Arc<Groups>,
        awaited: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            slots,
            options,
            run,
            groups,
            leases: OnceLock::new(),
            state: Mutex::new(State { awaited, ..State::default() }),
            look: Arc::default(),
            lacks_slot: AtomicBool::new(false),
            decided: Condvar::new(),
        })
    }

    /// Waits for GPUs, a slot and the turn in the case's serial group; it gets all of them at once. The error says why
    /// they can never be had.
    pub(super) fn take(self: &Arc<Self>, request: Request, entry: &Entry) -> Result<Turn, String> {
        let Request { case, need, expected_seconds, group } = request;
        let mut state = self.state();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.awaited = state.awaited.saturating_sub(1);
        state.began.get_or_insert_with(Instant::now);
        entry.waits_for(Wait::Gpus(GpuWait {
            ticket,
            need: need.clone(),
            look: Arc::clone(&self.look),
            group: group.map(|group| self.groups.wait_for(group)),
        }));
        state.queue.push(ticket, need, expected_seconds);
        let waiting = Waiting { case, group, since: Instant::now(), reservation: None };
        state.waiting.insert(ticket, waiting);
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

    /// Starts what can start, now that GPUs, or the turn in a serial group, were given back.
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
            match stop::reason() {
                Some(stop) => self.give_up(&mut state, &stop.to_string()),
                None => self.decide(&mut state),
            }
            if state.waiting.is_empty() {
                state.is_watched = false;
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
        let is_early = |began: Instant| began.elapsed() < COME_WITHIN;
        let others_come = state.awaited > 0 && state.began.is_some_and(is_early);
        if state.waiting.is_empty() || others_come {
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
        let long = state.has_waited_long(self.options.reserve_after);
        let reserves =
            long.is_some() || state.waiting.values().any(|case| case.reservation.is_some());
        let ask = if reserves { Ask::All } else { Ask::WithRoom { residents } };
        let leased = session.leased(ask)?;
        let reservations = state
            .waiting
            .iter()
            .filter_map(|(ticket, waiting)| Some((*ticket, waiting.reservation.as_ref()?)));
        let mut cards = session.cards(&leased, reservations);
        state.refuse_what_broken_cards_cannot_meet(&cards, &leased);
        let before = cards.clone();
        let mut groups = HashMap::new();
        let State { queue, waiting, .. } = &mut *state;
        let admitted = queue.admit(&mut cards, residents, slots.len(), |ticket| {
            self.take_group(&waiting[&ticket]).map(|turn| groups.insert(ticket, turn)).is_some()
        });
        for Admitted { ticket, need, cards } in admitted {
            let (Some(slot), Some(waiting)) = (slots.pop(), state.waiting.get(&ticket)) else {
                continue;
            };
            let group = groups.remove(&ticket).unwrap_or(Ok(None));
            let turn = group.and_then(|group| {
                let lease = session.take(&cards, &before, &need, waiting.case).map_err(said)?;
                Ok(Turn { lease, _slot: slot, _group: group })
            });
            state.settle(ticket, turn);
        }
        let State { queue, waiting, .. } = &mut *state;
        let could_start = |ticket| self.take_group(&waiting[&ticket]).is_some();
        let lacks_slot = slots.is_empty() && queue.could_admit(&cards, residents, could_start);
        self.keep_slot(lacks_slot);
        state.give_up_vain_reservations(&cards);
        let others_hold = leased
            .iter()
            .flat_map(|leased| &leased.residents)
            .any(|resident| resident.holder.pid != std::process::id());
        if others_hold
            && let Some((ticket, need)) = long
            && let Some(chosen) = worth_reserving(&need, &cards)
            && let Some(waiting) = state.waiting.get_mut(&ticket)
        {
            waiting.reservation = Some(session.reserve(chosen)?);
        }
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) =
            Look::new(cards, leased, residents);
        Ok(())
    }

    /// The turn of a case in its serial group, where it is in one; or why it cannot be taken. None where another case
    /// has it: the GPUs are for others meanwhile.
    fn take_group(&self, case: &Waiting) -> Option<Result<Option<serial::Turn>, String>> {
        let Some(group) = case.group else { return Some(Ok(None)) };
        match self.groups.try_take(group, case.case) {
            Ok(None) => None,
            Ok(turn) => Some(Ok(turn)),
            Err(error) => Some(Err(serial::no_lock(&error))),
        }
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

    /// Others use what was kept free, and nobody knows for how long: perhaps other cards are had sooner.
    fn give_up_vain_reservations(&mut self, cards: &[Card]) {
        for (ticket, need) in self.queue.waiting() {
            let is_vain = |reservation: &mut Reservation| {
                let held_up = |card: &usize| cards[*card].is_held_up_by_leases_alone(need);
                !reservation.cards.iter().all(held_up)
            };
            if let Some(waiting) = self.waiting.get_mut(&ticket) {
                drop(waiting.reservation.take_if(is_vain));
            }
        }
    }
}

fn said(error: LeaseError) -> String {
    error.to_string()
}
