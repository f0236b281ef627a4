//! How long cases took in earlier runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::case::Case;

/// What is expected of a case that is not known and has no timeout.
const UNKNOWN: f64 = 60.0;

/// The durations of a target's GPU cases, in a file beside the records of runs.
pub(crate) struct Durations {
    path: PathBuf,
    /// Seconds by case, as the file had them; read at first need.
    known: OnceLock<BTreeMap<String, f64>>,
    new: Mutex<BTreeMap<String, f64>>,
}

impl Durations {
    /// Those in a file, which need not be there.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, known: OnceLock::new(), new: Mutex::default() }
    }

    /// How many seconds a case is expected to take: what it took last, else its timeout, else a minute.
    pub(crate) fn expected(&self, case: &Case) -> f64 {
        let known = self.known.get_or_init(|| read(&self.path));
        let timeout = case.definition.timeout_ms.map(|timeout| timeout as f64 / 1e3);
        known.get(case.name()).copied().or(timeout).unwrap_or(UNKNOWN)
    }

    /// Notes what a case took.
    pub(crate) fn note(&self, case: &Case, took: Duration) {
        let mut new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        new.insert(case.name().into(), took.as_secs_f64());
    }

    /// Keeps what was noted for later runs. Where that fails they expect something else, no more.
    pub(crate) fn save(&self) {
        let new = self.new.lock().unwrap_or_else(PoisonError::into_inner);
        if !new.is_empty() {
            let _ = write(&self.path, &new);
        }
    }
}

fn read(path: &Path) -> BTreeMap<String, f64> {
    let text = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Adds to what is in the file now, which a run beside ours may have written.
fn write(path: &Path, new: &BTreeMap<String, f64>) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Beside the file, which is replaced: two runs that end at once both add to it.
    let lock = File::options().create(true).append(true).open(path.with_extension("lock"))?;
    rustix::io::retry_on_intr(|| flock(&lock, FlockOperation::LockExclusive))?;
    let mut all = read(path);
    all.extend(new.iter().map(|(case, seconds)| (case.clone(), *seconds)));
    let unfinished = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&unfinished, serde_json::to_vec_pretty(&all)?)?;
    fs::rename(unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Registry;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_case_is_expected_to_take_what_it_took_last(folder: TempDir) {
        let path = folder.path().join("folder").join("durations.json");
        let cases = Registry::collect().cases();
        let [case, other, ..] = &cases[..] else { panic!("there are more cases than one") };
        let first = Durations::of(path.clone());
        assert_eq!(first.expected(case), UNKNOWN);
        first.note(case, Duration::from_secs(7));
        first.save();
        let beside = Durations::of(path.clone());
        beside.note(other, Duration::from_secs(3));
        beside.save();
        let later = Durations::of(path);
        assert_eq!((later.expected(case), later.expected(other)), (7.0, 3.0));
    }
}
