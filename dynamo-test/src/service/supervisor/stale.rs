//! What supervisors left that were killed together with their reapers.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::run::{FOLDER_PREFIX, lock_exclusively, try_lock_exclusively};
#[cfg(feature = "containers")]
use super::container;
use super::leash;

/// Ends what is left of this user's supervisors that are gone, in `run`, where this one is, and in its neighbours. Who
/// is in a folder holds its lock, wherever on the machine he is: in a container, too, whose processes cannot be seen
/// from here.
pub(super) fn sweep(run: &Path) {
    let _ = sweep_siblings(run);
    let user = rustix::process::geteuid().as_raw();
    let neighbours = run.parent().and_then(|parent| fs::read_dir(parent).ok());
    for neighbour in neighbours.into_iter().flatten().flatten() {
        let is_a_run = neighbour.file_name().to_string_lossy().starts_with(FOLDER_PREFIX);
        // Of the entry itself: a link may lead anywhere.
        let is_ours = neighbour.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user);
        if is_a_run && is_ours && neighbour.path() != run {
            let _ = sweep_run(&neighbour.path());
        }
    }
}

/// Sweeps a run, unless somebody starts a supervisor there, who holds its lock meanwhile.
fn sweep_run(run: &Path) -> io::Result<()> {
    let _lock = try_lock(run)?;
    for supervisor in fs::read_dir(run)?.flatten() {
        let _lock = try_lock(&supervisor.path())?;
        end(&supervisor.path())?;
    }
    fs::remove_dir(run)
}

/// Sweeps the run that this supervisor is of.
fn sweep_siblings(run: &Path) -> io::Result<()> {
    let whole = File::open(run)?;
    // Whoever starts a supervisor holds it until that one has a lock of its own.
    lock_exclusively(&whole)?;
    let all: Vec<_> = fs::read_dir(run)?.flatten().map(|supervisor| supervisor.path()).collect();
    let gone = all.into_iter().filter_map(|folder| Some((try_lock(&folder).ok()?, folder)));
    let gone: Vec<_> = gone.collect();
    drop(whole);
    for (_lock, folder) in &gone {
        end(folder)?;
    }
    Ok(())
}

/// Ends what is left of the supervisor that had this folder, and removes that.
fn end(supervisor: &Path) -> io::Result<()> {
    leash::kill_all_of(supervisor);
    #[cfg(feature = "containers")]
    container::remove_all_of(supervisor);
    fs::remove_dir_all(supervisor)
}

/// Locks a folder that nobody has locked.
fn try_lock(folder: &Path) -> io::Result<File> {
    let opened = File::open(folder)?;
    try_lock_exclusively(&opened)?;
    Ok(opened)
}
