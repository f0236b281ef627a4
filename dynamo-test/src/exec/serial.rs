//! Groups whose cases never run at the same time: a lock file each, in a folder that all test binaries of the
//! project share. The kernel frees the lock of a process that dies.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

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
        rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive))?;
        Ok(Turn { _lock: file })
    }
}
