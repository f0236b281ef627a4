//! What runs left that were killed together with their reapers.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::super::run::{FOLDER_PREFIX, try_lock_exclusively};

/// Removes the folders of this user's runs that nobody is in any more, among the neighbours of `run`. Who is in one
/// holds its lock, wherever on the machine he is: in a container, too, whose processes cannot be seen from here.
pub(super) fn sweep(run: &Path) {
    let user = rustix::process::geteuid().as_raw();
    let neighbours = run.parent().and_then(|parent| fs::read_dir(parent).ok());
    for neighbour in neighbours.into_iter().flatten().flatten() {
        let is_a_run = neighbour.file_name().to_string_lossy().starts_with(FOLDER_PREFIX);
        // Of the entry itself: a link may lead anywhere.
        let is_ours = neighbour.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user);
        if is_a_run && is_ours && neighbour.path() != run {
            // Whoever starts a supervisor there holds the lock meanwhile.
            let _ = while_empty_of_people(&neighbour.path(), |folder| {
                for supervisor in fs::read_dir(folder)?.flatten() {
                    while_empty_of_people(&supervisor.path(), |folder| fs::remove_dir_all(folder))?;
                }
                fs::remove_dir(folder)
            });
        }
    }
}

/// Does something with a folder that nobody has locked.
fn while_empty_of_people(
    folder: &Path,
    act: impl FnOnce(&Path) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let opened = File::open(folder)?;
    try_lock_exclusively(&opened)?;
    act(folder)
}
