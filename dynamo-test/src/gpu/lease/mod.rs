//! Leases: who may use which GPU, machine-wide, across runs and users, without a daemon.
//!
//! Each GPU has a file. A lease locks bytes of it, one for each MiB, and one byte among the residents; the kernel
//! drops both when the holder ends, however it ends. Whoever grants a lease holds the lock of `grants` meanwhile, so
//! that what was seen is still so when it is taken, and several GPUs are taken all or none. A lease's holder never
//! waits for another lease, so nobody waits in a circle.

mod changes;
mod folder;
mod held;
mod leased;
mod range;
mod record;
mod session;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

pub(crate) use changes::Changes;
pub(crate) use held::{Lease, Reservation};
pub(crate) use leased::Leased;
pub(crate) use record::Record;
pub(crate) use session::{Ask, Session};

use super::nvidia::Machine;
use folder::{Folder, Kept};

/// Where the bytes of residents begin: far behind those of memory. The n-th of them locked makes the n-th record true.
const RESIDENTS: u64 = 1 << 32;
/// How many leases a card can bear at all.
const MOST_RESIDENTS: u64 = 256;
/// The byte that keeps a card free for a case that has waited long.
const RESERVATION: u64 = 1 << 33;

/// How soon it is tried again whether others have granted.
const RETRY: Duration = Duration::from_millis(1);

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
