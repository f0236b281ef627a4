//! Leases: who may use which GPU, machine-wide, across runs and users, without a daemon.
//!
//! Each GPU has a file. A lease locks bytes of it, one for each MiB, and one byte among the residents; the kernel
//! drops both when the holder ends, however it ends. Whoever grants a lease holds the lock of `grants` meanwhile, so
//! that what was seen is still so when it is taken, and several GPUs are taken all or none. A lease's holder never
//! waits for another lease, so nobody waits in a circle.

mod changes;
mod folder;
mod range;
mod record;

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

pub(crate) use changes::Changes;
pub(crate) use record::Record;

use super::nvidia::{Device, Machine, NoUsage, Tree, Usage};
use super::{Card, GpuGrant, Need, Reserved};
use folder::{Folder, Kept};

/// Where the bytes of residents begin: far behind those of memory. The n-th of them locked makes the n-th record true.
const RESIDENTS: u64 = 1 << 32;
/// How many leases a card can bear at all.
const MOST_RESIDENTS: u64 = 256;
/// The byte that keeps a card free for a case that has waited long.
const RESERVATION: u64 = 1 << 33;

/// How soon it is tried again whether others have granted.
const RETRY: Duration = Duration::from_millis(1);

/// The part of a card that others may use while it counts as nobody's: the driver itself, and a desktop, take some.
const QUIET_PART: u64 = 16;

/// Why no lease can be had. Never that a card is in use: then one waits.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LeaseError {
    #[error(
        "GPUs are leased through files in {}, which cannot be used: {error} ($DYNAMO_TEST_GPU_LEASES names another folder; all users of the machine must name the same)",
        path.display()
    )]
    Folder { path: PathBuf, error: String },
    #[error("GPUs are leased through files in {}, which is no folder: remove it", path.display())]
    NoFolder { path: PathBuf },
    #[error(
        "GPUs are leased through files in {}, from which anybody may remove anybody's (mode {mode:o}): chmod 1777 it",
        path.display()
    )]
    Unsafe { path: PathBuf, mode: u32 },
    #[error("the GPU lease file {} cannot be used: {error}", path.display())]
    File { path: PathBuf, error: String },
    #[error("the GPU lease file {} is locked by a program that keeps no order", path.display())]
    Disorder { path: PathBuf },
}

/// The leases of the machine's GPUs, as this process sees and takes them.
pub(crate) struct Leases {
    machine: &'static Machine,
    folder: Folder,
    files: Mutex<Files>,
    /// What the run is of, as others are told.
    run: String,
}

struct Files {
    grants: Kept,
    /// In the order of the machine's devices. They hold no lock, so that any lock on a GPU shows through them.
    cards: Vec<Kept>,
}

/// A GPU and the leases on it.
pub(crate) struct Leased {
    pub(crate) residents: Vec<Record>,
    /// By byte locks.
    memory: Vec<Range<u64>>,
    pub(crate) is_reserved: bool,
    /// What is in use, or why that cannot be told; none where it was not asked.
    pub(crate) usage: Option<Result<Usage, NoUsage>>,
}

/// Of which GPUs NVML is asked what is in use: each question takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Of all.
    All,
    /// Of those that have room beside their leases, each bearing at most so many.
    WithRoom { residents: u32 },
}

/// The right to use GPUs, until it is dropped.
pub(crate) struct Lease {
    parts: Vec<Part>,
    record: Record,
}

struct Part {
    file: File,
    place: u64,
    grant: GpuGrant,
}

/// Keeps cards free of other cases, until it is dropped.
pub(crate) struct Reservation {
    files: Vec<File>,
    /// Positions among the machine's devices.
    pub(crate) cards: Vec<usize>,
}

impl Leases {
    pub(crate) fn open(machine: &'static Machine, run: String) -> Result<Self, LeaseError> {
        let folder = Folder::of_machine()?;
        let cards = machine
            .devices
            .iter()
            .map(|device| Kept::open(&folder, device.uuid.clone()))
            .collect::<Result<_, _>>()?;
        let files = Files { grants: Kept::open(&folder, "grants".into())?, cards };
        Ok(Self { machine, folder, files: Mutex::new(files), run })
    }

    /// Tells when leases are given back.
    pub(crate) fn changes(&self) -> Changes {
        Changes::of(&self.folder.path)
    }

    /// Keeps everybody else on the machine from granting until the session is dropped: be quick.
    pub(crate) fn session(&self) -> Result<Session<'_>, LeaseError> {
        loop {
            if let Some(session) = self.session_within(Duration::MAX)? {
                return Ok(session);
            }
        }
    }

    /// The same, or none where others keep us from it for so long.
    pub(crate) fn session_within(&self, most: Duration) -> Result<Option<Session<'_>>, LeaseError> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        loop {
            // Waiting in the kernel could not be called off: whoever stands still with the lock would stop every run.
            match flock(&files.grants.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) if began.elapsed() >= most => return Ok(None),
                Err(Errno::WOULDBLOCK) => {
                    thread::sleep(RETRY);
                    continue;
                }
                Err(error) => return Err(self.file_error("grants", &error)),
            }
            // Somebody may have removed the file while we waited for the lock, and others lock its successor.
            if files.grants.refresh(&self.folder)? {
                break;
            }
        }
        let mut session = Session { leases: self, files };
        for card in &mut session.files.cards {
            card.refresh(&self.folder)?;
        }
        Ok(Some(session))
    }

    fn file_error(&self, name: &str, error: &dyn std::fmt::Display) -> LeaseError {
        LeaseError::File { path: self.folder.path.join(name), error: error.to_string() }
    }
}

/// A moment in which nobody else grants.
pub(crate) struct Session<'a> {
    leases: &'a Leases,
    files: MutexGuard<'a, Files>,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Closing the file, at the latest at the end of the process, does it, too.
        let _ = flock(&self.files.grants.file, FlockOperation::Unlock);
    }
}

impl Session<'_> {
    fn devices(&self) -> &'static [Device] {
        &self.leases.machine.devices
    }

    /// The leases on each device.
    pub(crate) fn leased(&self, ask: Ask) -> Result<Vec<Leased>, LeaseError> {
        let of = |(device, kept): (&Device, &Kept)| {
            let held = |range| {
                range::held_by_others(&kept.file, range)
                    .map_err(|error| self.leases.file_error(&device.uuid, &error))
            };
            let places = held(RESIDENTS..RESIDENTS + MOST_RESIDENTS)?.into_iter().flatten();
            // One whose record makes no sense is a resident all the same.
            let residents: Vec<Record> = places
                .map(|byte| Record::read(&kept.file, byte - RESIDENTS).unwrap_or_default())
                .collect();
            let memory = held(0..device.total_mib)?;
            let asked = match ask {
                Ask::All => true,
                Ask::WithRoom { residents: most } => {
                    residents.len() < most as usize && locked(&memory) < device.total_mib
                }
            };
            Ok(Leased {
                residents,
                memory,
                is_reserved: !held(RESERVATION..RESERVATION + 1)?.is_empty(),
                usage: asked.then(|| self.leases.machine.driver.usage(&device.uuid)),
            })
        };
        self.devices().iter().zip(&self.files.cards).map(of).collect()
    }

    /// The cards as the scheduler sees them. `ours` are the reservations of this process, by their case's ticket.
    pub(crate) fn cards<'a>(
        &self,
        leased: &[Leased],
        ours: impl Iterator<Item = (u64, &'a Reservation)> + Clone,
    ) -> Vec<Card> {
        let mut tree = Tree::default();
        let card = |(position, (device, leased)): (usize, (&Device, &Leased))| {
            let owner = ours.clone().find(|(_, reservation)| reservation.cards.contains(&position));
            let others = leased.used_by_others(&mut tree);
            Card {
                name: device.name.clone(),
                compute_capability: device.compute_capability,
                usable_mib: device.usable_mib,
                free_mib: leased.free_mib(device, &mut tree),
                residents: leased.residents.len() as u32,
                is_quiet: leased.residents.is_empty()
                    && leased.memory.is_empty()
                    && leased.known().is_some_and(|usage| usage.processes.is_empty())
                    && others.is_some_and(|others| others <= device.total_mib / QUIET_PART),
                reserved: match owner {
                    Some((ticket, _)) => Reserved::For(ticket),
                    None if leased.is_reserved => Reserved::ForOthers,
                    None => Reserved::No,
                },
            }
        };
        self.devices().iter().zip(leased).enumerate().map(card).collect()
    }

    /// Takes cards that [`Card::admits`] a case: all of them, or none where that fails.
    pub(crate) fn take(
        &mut self,
        positions: &[usize],
        cards: &[Card],
        need: &Need,
        case: &str,
    ) -> Result<Lease, LeaseError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let record = Record {
            pid: std::process::id(),
            worker: None,
            run: self.leases.run.clone(),
            case: case.into(),
            since: since.as_millis() as u64,
            vram_mib: need.vram_mib,
        };
        let parts = positions.iter().map(|position| {
            let leased_mib = need.vram_mib.unwrap_or(cards[*position].free_mib);
            self.take_one(*position, need.vram_mib, leased_mib, &record)
        });
        Ok(Lease { parts: parts.collect::<Result<_, _>>()?, record })
    }

    fn take_one(
        &self,
        position: usize,
        vram_mib: Option<u64>,
        leased_mib: u64,
        record: &Record,
    ) -> Result<Part, LeaseError> {
        let device = &self.devices()[position];
        let failed = |error| self.leases.file_error(&device.uuid, &error);
        let file = self.files.cards[position].again(&self.leases.folder)?;
        let everything = 0..device.total_mib;
        let held = range::held_by_others(&file, everything.clone()).map_err(failed)?;
        let gaps = range::gaps(&held, everything.clone());
        let memory = vram_mib.map_or_else(|| vec![everything], |vram| first_of(gaps, vram));
        let residents = RESIDENTS..RESIDENTS + MOST_RESIDENTS;
        let held = range::held_by_others(&file, residents.clone()).map_err(failed)?;
        let disorder = || LeaseError::Disorder { path: self.leases.folder.path.join(&device.uuid) };
        let byte = range::gaps(&held, residents).first().ok_or_else(disorder)?.start;
        // Before the lock makes it true.
        record.write(&file, byte - RESIDENTS).map_err(failed)?;
        for range in memory.iter().chain([&(byte..byte + 1)]) {
            if !range::try_lock(&file, range).map_err(failed)? {
                return Err(disorder());
            }
        }
        let grant = GpuGrant {
            index: device.index,
            uuid: device.uuid.clone(),
            name: device.name.clone(),
            total_mib: device.total_mib,
            leased_mib,
        };
        Ok(Part { file, place: byte - RESIDENTS, grant })
    }

    /// Keeps cards free from now on; none of them is reserved.
    pub(crate) fn reserve(&mut self, cards: Vec<usize>) -> Result<Reservation, LeaseError> {
        let mut files = Vec::new();
        for position in &cards {
            let uuid = &self.devices()[*position].uuid;
            let file = self.files.cards[*position].again(&self.leases.folder)?;
            let locked = range::try_lock(&file, &(RESERVATION..RESERVATION + 1))
                .map_err(|error| self.leases.file_error(uuid, &error))?;
            if !locked {
                return Err(LeaseError::Disorder { path: self.leases.folder.path.join(uuid) });
            }
            files.push(file);
        }
        Ok(Reservation { files, cards })
    }
}

fn locked(memory: &[Range<u64>]) -> u64 {
    memory.iter().map(|range| range.end - range.start).sum()
}

impl Leased {
    fn known(&self) -> Option<&Usage> {
        self.usage.as_ref()?.as_ref().ok()
    }

    /// What those use who hold no lease, in MiB.
    fn used_by_others(&self, tree: &mut Tree) -> Option<u64> {
        let usage = self.known()?;
        let by_holders: u64 = self.residents.iter().map(|holder| usage.used_by(holder, tree)).sum();
        Some(usage.used_mib.saturating_sub(by_holders))
    }

    /// What is left beside leases, what their holders use beyond them, and what others use. What is unknown is not
    /// free.
    fn free_mib(&self, device: &Device, tree: &mut Tree) -> u64 {
        let (Some(usage), Some(others)) = (self.known(), self.used_by_others(tree)) else {
            return 0;
        };
        let overdrawn: u64 = self
            .residents
            .iter()
            .map(|holder| {
                let may = holder.vram_mib.unwrap_or(device.total_mib);
                usage.used_by(holder, tree).saturating_sub(may)
            })
            .sum();
        device.total_mib.saturating_sub(locked(&self.memory) + overdrawn + others)
    }
}

impl Usage {
    /// What the processes of a lease's holder use.
    fn used_by(&self, holder: &Record, tree: &mut Tree) -> u64 {
        let Some(worker) = holder.worker else { return 0 };
        let ours = self.processes.iter().filter(|(pid, _)| tree.descends(*pid, worker));
        ours.filter_map(|(_, used)| *used).sum()
    }
}

/// The first `wanted` bytes of some ranges, wherever they are: they only count.
fn first_of(ranges: Vec<Range<u64>>, mut wanted: u64) -> Vec<Range<u64>> {
    let mut taken = Vec::new();
    for range in ranges {
        let end = range.end.min(range.start + wanted);
        wanted -= end - range.start;
        if end > range.start {
            taken.push(range.start..end);
        }
    }
    taken
}

impl Lease {
    /// The GPUs, as the case is told of them.
    pub(crate) fn grants(&self) -> Vec<GpuGrant> {
        self.parts.iter().map(|part| part.grant.clone()).collect()
    }

    /// Says which process uses it, so that its memory is not taken for that of others.
    pub(crate) fn used_by(&mut self, pid: u32) {
        self.record.worker = Some(pid);
        for part in &self.parts {
            // A failure makes the memory count twice, which is safe.
            let _ = self.record.write(&part.file, part.place);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // All of them, then the closing, which wakes those that wait.
        self.parts.iter().for_each(|part| range::unlock_all(&part.file));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.files.iter().for_each(range::unlock_all);
    }
}
