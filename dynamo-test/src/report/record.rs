//! Where the events of a run go: a file in a folder of the run, under the target directory.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};

use super::{Event, Summary};
use crate::secrets;

/// The file in a run's folder.
pub(super) const EVENTS: &str = "events.jsonl";

/// How many bytes of events may wait for others.
const MOST_WAITING: usize = 16 * 1024;

/// How many runs' folders are kept.
const KEPT_RUNS: usize = 50;

/// The record of a run.
///
/// Each event reaches the file before the run goes on, so that a killed run leaves what it knew; only of cases that
/// pass in quick succession, several reach it together.
pub(crate) struct Record {
    folder: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// None once it could not be written.
    file: Option<File>,
    /// What waits for others to be written with.
    waiting: Vec<u8>,
    summary: Summary,
}

impl Record {
    /// Opens the record of a new run under `runs`. Where it cannot be written, the run goes on without, and says so.
    pub(crate) fn create(runs: &Path) -> Self {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        let name = format!("{}-{}", time.replace([':', '-'], ""), std::process::id());
        // Nextest makes a run of each case; together they are one.
        let folder = match env::var("NEXTEST_RUN_ID") {
            Ok(id) => runs.join(format!("nextest-{id}")).join(name),
            Err(_) => runs.join(name),
        };
        let file = fs::create_dir_all(&folder)
            .and_then(|()| File::options().append(true).create(true).open(folder.join(EVENTS)));
        let file = match file {
            Ok(file) => {
                // Says that the run is going on. Where that cannot be said it may be forgotten early.
                let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
                Some(file)
            }
            Err(error) => {
                complain(&folder, &error);
                None
            }
        };
        forget_old_runs(runs);
        Self {
            folder,
            state: Mutex::new(State { file, waiting: Vec::new(), summary: Summary::default() }),
        }
    }

    /// The folder of the run.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes one event.
    pub(crate) fn write(&self, event: &Event<'_>) {
        self.write_all(std::slice::from_ref(event));
    }

    /// Writes several events at once.
    pub(crate) fn write_all(&self, events: &[Event<'_>]) {
        self.add(events, true);
    }

    /// Writes events together with those that follow at once.
    pub(crate) fn write_with_next(&self, events: &[Event<'_>]) {
        self.add(events, false);
    }

    fn add(&self, events: &[Event<'_>], now: bool) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let time = format!("{{\"time\":{time},");
        let mut state = self.state();
        let state = &mut *state;
        for event in events {
            event.put_line(&time, &mut state.waiting);
            state.summary.observe(event);
        }
        if !now && state.waiting.len() < MOST_WAITING {
            return;
        }
        // Notes, too, may quote what must not be shown.
        let lines = String::from_utf8_lossy(&state.waiting);
        let lines = secrets::mask(&lines);
        let written = state.file.as_mut().map(|file| file.write_all(lines.as_bytes()));
        if let Some(Err(error)) = written {
            complain(&self.folder, &error);
            state.file = None;
        }
        state.waiting.clear();
    }

    /// What the events come to; none stays behind.
    pub(crate) fn take_summary(&self) -> Summary {
        std::mem::take(&mut self.state().summary)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn complain(folder: &Path, error: &io::Error) {
    eprintln!(
        "dynamo-test: the run is not recorded, {} cannot be written: {error} (DYNAMO_TEST_DIR names another place)",
        folder.display()
    );
}

/// Where the harness keeps what outlives a run (its record, in `runs`) or is shared by several: `$DYNAMO_TEST_DIR`,
/// else `dynamo-test` in cargo's target directory, else in the temporary one.
pub(crate) fn home() -> PathBuf {
    if let Some(folder) = env::var_os("DYNAMO_TEST_DIR").filter(|value| !value.is_empty()) {
        return std::path::absolute(&folder).unwrap_or(folder.into());
    }
    let program = env::current_exe().unwrap_or_default();
    target_directory(&program).map_or_else(env::temp_dir, Into::into).join("dynamo-test")
}

/// Cargo's target directory, in which a program was built. Cargo leaves the first of these files in one that it made
/// itself, the second in every one, also one that was there before.
fn target_directory(program: &Path) -> Option<&Path> {
    let marks = ["CACHEDIR.TAG", ".rustc_info.json"];
    program.ancestors().find(|folder| marks.iter().any(|mark| folder.join(mark).exists()))
}

/// Removes the folders of the oldest runs that are over.
fn forget_old_runs(runs: &Path) {
    let mut runs: Vec<(SystemTime, PathBuf)> = entries(runs)
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .collect();
    runs.sort_unstable();
    let surplus = runs.len().saturating_sub(KEPT_RUNS);
    for (_, folder) in runs[..surplus].iter().filter(|(_, folder)| !is_going_on(folder)) {
        // Another run may have removed it first.
        let _ = fs::remove_dir_all(folder);
    }
}

/// Whether the run of a folder, or one of a nextest run's, still holds the lock of its record.
pub(super) fn is_going_on(folder: &Path) -> bool {
    let is_locked = |folder: &Path| {
        File::open(folder.join(EVENTS))
            .is_ok_and(|file| flock(&file, FlockOperation::NonBlockingLockShared).is_err())
    };
    is_locked(folder) || entries(folder).any(|below| is_locked(&below))
}

pub(super) fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_target_directory_is_found_whoever_made_it(folder: TempDir) {
        let program = folder.path().join("target/debug/deps/suite-0123");
        assert_eq!(target_directory(&program), None);
        let target = folder.path().join("target");
        fs::create_dir(&target).unwrap();
        fs::write(target.join(".rustc_info.json"), "{}").unwrap();
        assert_eq!(target_directory(&program), Some(&*target));
    }
}
