//! Groups whose cases never run at the same time: a lock file each, in a folder that all test binaries of the
//! project share. The kernel frees the lock of a process that dies.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::board::Entry;
use super::waits::{GroupWait, Wait};
use crate::holder::Holder;
use crate::stop;

/// How soon a group that another process has is tried again.
const RETRY: Duration = Duration::from_millis(2);
/// How long the end of the run may go unnoticed while a case of this process has the group.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The serial groups, as a run's cases take turns in them.
pub(super) struct Groups {
    /// Where their lock files are.
    folder: PathBuf,
    /// What the run is of, as others that wait are told.
    run: String,
    ours: Arc<Ours>,
}

/// The groups that this process has, or tries to get: of all its cases that want one, one asks the kernel.
#[derive(Default)]
struct Ours {
    groups: Mutex<HashSet<&'static str>>,
    given_back: Condvar,
}

/// The right to run a case of a group. Dropping it frees the group.
pub(super) struct Turn {
    lock: File,
    _claim: Claim,
}

/// That a group is among [`Ours`].
struct Claim {
    group: &'static str,
    ours: Arc<Ours>,
}

impl Groups {
    pub(super) fn new(folder: PathBuf, run: String) -> Self {
        Self { folder, run, ours: Arc::default() }
    }

    /// Waits until no other case of the group runs, or the run is told to stop.
    pub(super) fn wait(
        &self,
        group: &'static str,
        case: &str,
        entry: &Entry,
    ) -> io::Result<Option<Turn>> {
        if let Some(turn) = self.try_take(group, case)? {
            return Ok(Some(turn));
        }
        entry.waits_for(Wait::Group(self.wait_for(group)));
        let Some(claim) = self.ours.wait_for(group) else { return Ok(None) };
        let lock = self.open(group)?;
        while stop::reason().is_none() {
            if try_lock(&lock)? {
                return Ok(Some(self.turn(lock, claim, case)));
            }
            // Waiting in the kernel could not be called off when the run is told to stop.
            thread::sleep(RETRY);
        }
        Ok(None)
    }

    /// The group's turn, if nobody has it.
    pub(super) fn try_take(&self, group: &'static str, case: &str) -> io::Result<Option<Turn>> {
        let Some(claim) = self.ours.claim(group) else { return Ok(None) };
        let lock = self.open(group)?;
        Ok(try_lock(&lock)?.then(|| self.turn(lock, claim, case)))
    }

    /// What a case that wants the group waits for.
    pub(super) fn wait_for(&self, group: &'static str) -> GroupWait {
        GroupWait { group, file: self.file(group) }
    }

    fn turn(&self, lock: File, claim: Claim, case: &str) -> Turn {
        let holder = serde_json::to_vec(&Holder::from_now_on(&self.run, case)).unwrap_or_default();
        // Only people read it.
        let _ = lock.set_len(0).and_then(|()| lock.write_all_at(&holder, 0));
        Turn { lock, _claim: claim }
    }

    fn file(&self, group: &str) -> PathBuf {
        // A group's name is free text, a file's is not.
        let name: String = group.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(name)
    }

    fn open(&self, group: &str) -> io::Result<File> {
        fs::create_dir_all(&self.folder)?;
        File::options().create(true).truncate(false).write(true).open(self.file(group))
    }
}

fn try_lock(file: &File) -> io::Result<bool> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What a case says whose turn cannot be had.
pub(super) fn no_lock(error: &io::Error) -> String {
    format!("the lock of its serial group cannot be taken: {error}")
}

/// Who has the group of a lock file, if anybody has and says so.
pub(super) fn holder(file: &Path) -> Option<Holder> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

impl Ours {
    fn claim(self: &Arc<Self>, group: &'static str) -> Option<Claim> {
        self.groups().insert(group).then(|| Claim { group, ours: Arc::clone(self) })
    }

    /// None where the run is told to stop meanwhile.
    fn wait_for(self: &Arc<Self>, group: &'static str) -> Option<Claim> {
        let mut groups = self.groups();
        while stop::reason().is_none() {
            if groups.insert(group) {
                return Some(Claim { group, ours: Arc::clone(self) });
            }
            let waited = self.given_back.wait_timeout(groups, LOOK_UP);
            groups = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn groups(&self) -> MutexGuard<'_, HashSet<&'static str>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.ours.groups().remove(self.group);
        self.ours.given_back.notify_all();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // Nobody has it. Closing the file frees it, but not while a child between fork and exec has a copy.
        let _ = self.lock.set_len(0);
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }
}
