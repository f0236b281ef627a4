//! How long cases took in earlier runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

use crate::case::Case;

/// What is expected of a case with GPUs that is not known and has no timeout.
const UNKNOWN: f64 = 60.0;

/// What a case without GPUs takes at least to be worth knowing, in seconds: shorter ones fill what gaps there are, and
/// there may be thousands of them.
const WORTH_KNOWING: f64 = 1.0;

/// How long the cases of a target take, in a file beside the records of runs.
pub(crate) struct Durations {
    path: PathBuf,
    /// Seconds by case, as the file had them; read at first need.
    known: OnceLock<BTreeMap<String, f64>>,
    noted: Mutex<BTreeMap<String, f64>>,
}

impl Durations {
    /// Those in a file, which need not be there.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, known: OnceLock::new(), noted: Mutex::default() }
    }

    /// How many seconds a case with GPUs is expected to take: what it took last, else its timeout, else a minute.
    pub(crate) fn expected(&self, case: &Case) -> f64 {
        let timeout = case.definition.settings.timeout_ms.map(|timeout| timeout as f64 / 1e3);
        self.last(case).or(timeout).unwrap_or(UNKNOWN)
    }

    /// What comes first is started first: cases with GPUs, by GPUs × seconds, as they wait without holding up the
    /// others; then those that took longest.
    pub(crate) fn longest_first<T>(&self, cases: &mut [T], case: impl Fn(&T) -> Option<&Case>) {
        let weight = |planned: &T| match case(planned) {
            Some(case) if case.definition.settings.gpus > 0 => {
                (f64::from(case.definition.settings.gpus) * self.expected(case), 0.0)
            }
            Some(case) => (0.0, self.last(case).unwrap_or_default()),
            None => (0.0, 0.0),
        };
        cases.sort_by(|one, other| {
            let ((one, shorter), (other, longer)) = (weight(one), weight(other));
            other.total_cmp(&one).then(longer.total_cmp(&shorter))
        });
    }

    /// Notes what a case took.
    pub(crate) fn note(&self, case: &Case, took: Duration) {
        let seconds = took.as_secs_f64();
        let is_of_use = case.definition.settings.gpus > 0 || seconds >= WORTH_KNOWING;
        // One that has become short is expected to be so.
        if is_of_use || self.last(case).is_some() {
            self.noted().insert(case.name().into(), seconds);
        }
    }

    /// Keeps what was noted since the last time for later runs. Where that fails they expect something else, no more.
    pub(crate) fn save(&self) {
        let new = std::mem::take(&mut *self.noted());
        if !new.is_empty() {
            let _ = write(&self.path, &new);
        }
    }

    /// How many seconds a case took last.
    fn last(&self, case: &Case) -> Option<f64> {
        self.known.get_or_init(|| read(&self.path)).get(case.name()).copied()
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<String, f64>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
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
