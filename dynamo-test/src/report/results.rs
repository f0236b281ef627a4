//! What became of a target's cases when they ran last, read from the records of its runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::VERSION;
use super::record::{EVENTS, entries, is_going_on};
use crate::exec::Outcome;
use crate::target::Target;

/// Whether a target's cases failed when they ran last.
#[derive(Debug, Default)]
pub(crate) struct LastResults {
    failed: BTreeMap<String, bool>,
    /// How many runs of the target are recorded, as far as they were read.
    runs: usize,
}

/// The events that tell it.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Told {
    RunStarted {
        version: u32,
        package: String,
        target: String,
    },
    Started {
        case: String,
    },
    Finished {
        case: String,
        #[serde(flatten)]
        outcome: Outcome,
        #[serde(default)]
        informative: bool,
    },
    #[serde(other)]
    Other,
}

impl LastResults {
    /// Reads the records under `runs`, the newest first, until each of `cases` is found, or none is left.
    pub(crate) fn read<'a>(
        runs: &Path,
        target: &Target,
        cases: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut results = Self::default();
        let mut missing: BTreeSet<&str> = cases.collect();
        for folder in newest_first(runs) {
            if missing.is_empty() {
                break;
            }
            let Some(run) = results_of(&folder, target) else { continue };
            results.runs += 1;
            for (case, failed) in run {
                if missing.remove(&*case) {
                    results.failed.insert(case, failed);
                }
            }
        }
        results
    }

    /// Whether any run of the target is recorded.
    pub(crate) fn are_known(&self) -> bool {
        self.runs > 0
    }

    /// Whether a case failed; nothing where it has not run yet.
    pub(crate) fn failed(&self, case: &str) -> Option<bool> {
        self.failed.get(case).copied()
    }

    /// The names of those that failed.
    pub(crate) fn into_failed(self) -> BTreeSet<String> {
        self.failed.into_iter().filter_map(|(case, failed)| failed.then_some(case)).collect()
    }
}

/// The folders of all runs. Their names begin with the time.
fn newest_first(runs: &Path) -> Vec<PathBuf> {
    let is_nextests = |folder: &Path| {
        folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with("nextest-"))
    };
    let (of_nextest, mut folders): (Vec<PathBuf>, Vec<PathBuf>) =
        entries(runs).partition(|folder| is_nextests(folder));
    folders.extend(of_nextest.iter().flat_map(|folder| entries(folder)));
    folders.sort_unstable_by(|one, other| other.file_name().cmp(&one.file_name()));
    folders
}

/// Whether the cases of a run failed, if it was one of the target. One that was running when the run was killed did.
fn results_of(folder: &Path, target: &Target) -> Option<BTreeMap<String, bool>> {
    let mut lines = BufReader::new(File::open(folder.join(EVENTS)).ok()?).lines();
    let Told::RunStarted { version, package, target: flags } = told(&lines.next()?.ok()?)? else {
        return None;
    };
    if (version, &*package, flags) != (VERSION, target.package, target.flags()) {
        return None;
    }
    let mut results = BTreeMap::new();
    let mut running = BTreeSet::new();
    for line in lines.map_while(Result::ok) {
        // Most of a record is decisions, which need not be read to the end.
        let tells = ["\"event\":\"started\"", "\"event\":\"finished\""];
        if !tells.iter().any(|event| line.contains(event)) {
            continue;
        }
        match told(&line) {
            Some(Told::Started { case }) => drop(running.insert(case)),
            Some(Told::Finished { case, outcome, informative }) => {
                running.remove(&case);
                if outcome.tells() {
                    *results.entry(case).or_default() |= outcome.fails_the_run() && !informative;
                }
            }
            _ => {}
        }
    }
    if !is_going_on(folder) {
        results.extend(running.into_iter().map(|case| (case, true)));
    }
    Some(results)
}

/// A line's event; a run that was killed may leave half a line.
fn told(line: &str) -> Option<Told> {
    serde_json::from_str(line).ok()
}
