//! Which run this process belongs to. All its processes share one set of servers, which goes when the run does.
//!
//! A run is what one cargo does: the test binaries of `cargo test`, the processes of `cargo nextest run`. So its root
//! is the nearest ancestor of that name, or else this process. A harness that a case of another harness started is a
//! run of its own: the walk upwards ends at the controller that the case belongs to.

use std::env;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use rustix::fs::{FlockOperation, flock};

use super::ancestry::{self, Process};

/// Names the controller of a case to all that the case starts.
pub(crate) const CONTROLLER_VARIABLE: &str = "DYNAMO_TEST_CONTROLLER";

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The process that the run ends with.
    pub(super) root: Process,
}

impl Run {
    /// The run of this process.
    pub(super) fn of_this_process() -> Self {
        let own = std::process::id();
        let controller = env::var(CONTROLLER_VARIABLE).ok().and_then(|pid| pid.parse().ok());
        let mut ancestors =
            ancestry::of(own).take_while(|ancestor| Some(ancestor.pid) != controller);
        let cargo = ancestors.find(|ancestor| matches!(&*ancestor.name, "cargo" | "cargo-nextest"));
        // Nextest may run under another name.
        let nextest = || {
            env::var_os("NEXTEST_RUN_ID")?;
            ancestry::of(own).next().filter(|parent| Some(parent.pid) != controller)
        };
        let root = cargo.or_else(nextest).unwrap_or_else(|| {
            ancestry::process(own).unwrap_or(Process { pid: own, started: 0, name: String::new() })
        });
        Self { root }
    }

    /// Whether the run ends with this process.
    pub(super) fn is_this_process(&self) -> bool {
        self.root.pid == std::process::id()
    }

    /// Tells it from other runs of the machine.
    pub(super) fn name(&self) -> String {
        let Process { pid, started, .. } = self.root;
        format!("{pid}-{started:x}")
    }

    /// Where everything of the run is; short, because a socket's path must be.
    pub(super) fn folder(&self) -> PathBuf {
        let folder = env::temp_dir().join(format!("{FOLDER_PREFIX}{}", self.name()));
        std::path::absolute(&folder).unwrap_or(folder)
    }
}

/// Waits for the lock of an opened folder; it lasts until the last copy of the file is closed.
pub(super) fn lock_exclusively(folder: &File) -> io::Result<()> {
    let lock = || flock(folder, FlockOperation::LockExclusive);
    Ok(rustix::io::retry_on_intr(lock)?)
}

/// Takes the lock of an opened folder unless somebody has it.
pub(super) fn try_lock_exclusively(folder: &File) -> io::Result<()> {
    Ok(flock(folder, FlockOperation::NonBlockingLockExclusive)?)
}

/// Takes a lock of an opened file that others may have, too, unless somebody has it exclusively.
pub(super) fn try_lock_shared(file: &File) -> io::Result<()> {
    Ok(flock(file, FlockOperation::NonBlockingLockShared)?)
}

/// How the names of runs' folders begin.
pub(super) const FOLDER_PREFIX: &str = "dynamo-test-run-";
