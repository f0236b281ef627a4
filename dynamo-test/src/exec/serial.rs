//! Groups whose cases never run at the same time: a lock file each, in a folder that all test binaries of the
//! project share. The kernel frees the lock of a process that dies.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::interrupt;

/// How soon a group that was busy is tried again.
const RETRY: Duration = Duration::from_millis(2);

/// Where the groups' lock files are.
pub(super) struct Groups {
    folder: PathBuf,
}

/// The right to run a case of a group. Dropping it frees the group.
pub(super) struct Turn {
    _lock: File,
}

impl Groups {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Waits until no other case of the group runs.
    pub(super) fn wait(&self, group: &str) -> io::Result<Turn> {
        fs::create_dir_all(&self.folder)?;
        // A group's name is free text, a file's is not.
        let name: String = group.bytes().map(|byte| format!("{byte:02x}")).collect();
        let file = File::options().create(true).append(true).open(self.folder.join(name))?;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                // Waiting in the kernel could not be called off when the run is told to stop.
                Err(Errno::WOULDBLOCK) if interrupt::told_to_stop().is_none() => {
                    thread::sleep(RETRY)
                }
                locked => return Ok(locked.map(|()| Turn { _lock: file })?),
            }
        }
    }
}
