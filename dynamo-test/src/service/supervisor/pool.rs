//! The supervisor's servers: started at need, each leased to one client at a time unless it is shared.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use super::super::spec::{Mode, ServerSpec};
use super::super::wire::{Leased, ServerError, Wanted};
use super::member::Member;
use super::shared::{Part, SharedServers};
use super::site::Site;

/// All servers of the supervisor.
pub(super) struct Pools {
    site: Site,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pools: HashMap<ServerSpec, Pool>,
    /// Those that are leased, by the lease.
    leased: HashMap<u64, Weak<Member>>,
    next_lease: u64,
    all: Vec<Weak<Member>>,
    /// How many clients have them stand still.
    suspenders: usize,
    ending: bool,
}

/// The servers of one spec.
#[derive(Default)]
struct Pool {
    /// The one used last at the end.
    idle: Vec<Arc<Member>>,
    /// Who waits for one, the first at the front.
    waiting: VecDeque<Sender<Given>>,
    /// How many there are that are leased exclusively, idle or about to start.
    count: usize,
    starting: usize,
    /// How many there may be.
    at_most: usize,
    shared: Arc<SharedServers>,
    standing: Standing,
}

type Given = Result<Arc<Member>, ServerError>;

/// What is known of a spec, from the least to the most.
#[derive(Default)]
enum Standing {
    #[default]
    Unknown,
    /// A server could be started.
    Starts,
    /// A server has served.
    Serves,
    /// None can be started or used: another would only fail, or take its time to fail, too.
    Broken(ServerError),
}

/// A lease of a server; dropping it gives the server back.
pub(super) struct Held {
    lease: u64,
    wanted: Wanted,
    member: Arc<Member>,
    /// What of it is leased, where others use it, too.
    part: Option<Part>,
    pools: Arc<Pools>,
}

impl Pools {
    pub(super) fn new(site: Site) -> Arc<Self> {
        Arc::new(Self { site, state: Mutex::default() })
    }

    /// Leases a server: an idle one, or one that is started now, or, with as many as there may be, the next that
    /// somebody gives back. First come, first served.
    pub(super) fn lease(self: &Arc<Self>, wanted: &Wanted) -> Result<(Held, Leased), ServerError> {
        let (member, part) = match wanted.mode {
            Mode::Exclusive => (self.exclusive(wanted)?, None),
            Mode::Shared => {
                let part = self.shared(wanted)?;
                (Arc::clone(part.member()), Some(part))
            }
            Mode::Dedicated | Mode::Cluster => (self.start_unless_broken(wanted)?, None),
        };
        let mut state = self.state();
        let lease = state.next_lease;
        state.next_lease += 1;
        state.leased.insert(lease, Arc::downgrade(&member));
        drop(state);
        let leased = Leased {
            lease,
            authority: member.authority(),
            folder: member.folder().map(Into::into),
            fresh: !member.has_served(),
            part: part.as_ref().filter(|_| wanted.parts.is_some()).map(|part| part.number),
        };
        Ok((Held { lease, wanted: wanted.clone(), member, part, pools: Arc::clone(self) }, leased))
    }

    /// The server of a lease that somebody else holds.
    pub(super) fn attend(&self, lease: u64) -> Result<Arc<Member>, ServerError> {
        self.state().leased.get(&lease).and_then(Weak::upgrade).ok_or(ServerError::NoLease)
    }

    /// Starts a server ahead, unless there is one.
    pub(super) fn prepare(self: &Arc<Self>, wanted: &Wanted) {
        let mut state = self.state();
        let ending = state.ending;
        let pool = state.pool(wanted);
        if pool.count == 0 && !ending && !matches!(pool.standing, Standing::Broken(_)) {
            self.start_one_more(pool, wanted);
        }
    }

    /// Has every server stand still until as many clients as asked for it have them go on.
    pub(super) fn suspend(&self, suspended: bool) {
        let mut state = self.state();
        state.suspenders = if suspended { state.suspenders + 1 } else { state.suspenders - 1 };
        let is_first_or_last = state.suspenders == usize::from(suspended);
        drop(state);
        if is_first_or_last {
            for member in self.all() {
                member.suspend(suspended);
            }
        }
    }

    /// Ends every server; there will be no others.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ending = true;
        for pool in state.pools.values_mut() {
            pool.refuse_all(&ServerError::Ending);
            pool.idle.clear();
        }
        drop(state);
        thread::scope(|scope| {
            for member in self.all() {
                scope.spawn(move || member.stop());
            }
        });
    }

    fn exclusive(self: &Arc<Self>, wanted: &Wanted) -> Given {
        let mut state = self.state();
        if state.ending {
            return Err(ServerError::Ending);
        }
        let pool = state.pool(wanted);
        while let Some(idle) = pool.idle.pop() {
            if !idle.has_ended() {
                return Ok(idle);
            }
            pool.count -= 1;
        }
        if let Standing::Broken(error) = &pool.standing {
            return Err(error.clone());
        }
        let (give, given) = mpsc::channel();
        pool.waiting.push_back(give);
        self.grow(pool, wanted);
        drop(state);
        given.recv().unwrap_or(Err(ServerError::Ending))
    }

    fn shared(&self, wanted: &Wanted) -> Result<Part, ServerError> {
        let shared = Arc::clone(&self.state().pool(wanted).shared);
        shared.part(wanted.parts.unwrap_or(u32::MAX), || self.start_unless_broken(wanted))
    }

    /// Starts as many servers as somebody waits for, and as there may be.
    fn grow(self: &Arc<Self>, pool: &mut Pool, wanted: &Wanted) {
        while pool.starting < pool.waiting.len() && pool.count < pool.at_most {
            self.start_one_more(pool, wanted);
        }
    }

    fn start_one_more(self: &Arc<Self>, pool: &mut Pool, wanted: &Wanted) {
        pool.count += 1;
        pool.starting += 1;
        let (pools, wanted) = (Arc::clone(self), wanted.clone());
        thread::spawn(move || {
            let started = pools.start(&wanted);
            let mut state = pools.state();
            let pool = state.pool(&wanted);
            pool.starting -= 1;
            match started {
                Ok(member) => pool.give(member),
                Err(error) => {
                    pool.count -= 1;
                    if let Standing::Broken(error) = &pool.standing {
                        pool.refuse_all(&error.clone());
                    } else {
                        pool.refuse_one(error);
                        pools.grow(pool, &wanted);
                    }
                }
            }
        });
    }

    /// Starts a server, unless it is known that none of its spec can be had.
    fn start_unless_broken(&self, wanted: &Wanted) -> Given {
        if let Some(Standing::Broken(error)) =
            self.state().pools.get(&wanted.spec).map(|pool| &pool.standing)
        {
            return Err(error.clone());
        }
        self.start(wanted)
    }

    fn start(&self, wanted: &Wanted) -> Given {
        let started = self.site.start(wanted);
        let mut state = self.state();
        let ending = state.ending;
        let standing = &mut state.pool(wanted).standing;
        match (started, &standing) {
            // It ends with the last that holds it, which is this.
            (Ok(_), _) if ending => Err(ServerError::Ending),
            (Ok(member), _) => {
                if matches!(standing, Standing::Unknown) {
                    *standing = Standing::Starts;
                }
                let member = Arc::new(member);
                state.all.retain(|member| member.strong_count() > 0);
                state.all.push(Arc::downgrade(&member));
                Ok(member)
            }
            (Err(error), Standing::Unknown) => {
                *standing = Standing::Broken(error.clone());
                Err(error)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn all(&self) -> Vec<Arc<Member>> {
        self.state().all.iter().filter_map(Weak::upgrade).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pool(&mut self, wanted: &Wanted) -> &mut Pool {
        let pool = self.pools.entry(wanted.spec.clone()).or_default();
        pool.at_most = wanted.at_most;
        pool
    }
}

impl Pool {
    /// Gives a server to whoever has waited longest.
    fn give(&mut self, mut member: Arc<Member>) {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(Ok(member)) {
                Ok(()) => return,
                Err(mpsc::SendError(given)) => match given {
                    Ok(back) => member = back,
                    Err(_) => return,
                },
            }
        }
        self.idle.push(member);
    }

    fn refuse_one(&mut self, error: ServerError) {
        if let Some(waiting) = self.waiting.pop_front() {
            let _ = waiting.send(Err(error));
        }
    }

    fn refuse_all(&mut self, error: &ServerError) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(error.clone()));
        }
    }
}

impl Held {
    pub(super) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// Has the server end with its lease.
    pub(super) fn discard(&self) {
        self.member.discard();
    }

    /// No server of the spec is of use, unless one has been.
    pub(super) fn condemn(&self, reason: String) {
        self.discard();
        if let Some(pool) = self.pools.state().pools.get_mut(&self.wanted.spec)
            && !matches!(pool.standing, Standing::Serves)
        {
            let error = ServerError::Condemned { reason };
            pool.refuse_all(&error);
            pool.standing = Standing::Broken(error);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let member = &self.member;
        let is_well = member.is_well();
        if is_well {
            member.serves();
        }
        // Others may still use a part of it.
        let is_ours = self.part.is_none();
        if self.wanted.mode.is_for_one() || (is_ours && !is_well) {
            // Now, and not once the last who attends it has gone.
            member.stop();
        }
        let mut state = self.pools.state();
        state.leased.remove(&self.lease);
        let ending = state.ending;
        let Some(pool) = state.pools.get_mut(&self.wanted.spec) else { return };
        if is_well && matches!(pool.standing, Standing::Unknown | Standing::Starts) {
            pool.standing = Standing::Serves;
        }
        if self.wanted.mode == Mode::Exclusive {
            if is_well && !ending {
                pool.give(Arc::clone(member));
            } else {
                pool.count -= 1;
                if !ending {
                    self.pools.grow(pool, &self.wanted);
                }
            }
        }
    }
}
