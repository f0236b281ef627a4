//! The events of a run: one JSON object a line.

use std::path::Path;

use serde::Serialize;

use crate::exec::{GpuUse, Outcome, Output};

/// The version of the events' form; it changes when a reader of the old form would misread the new.
pub(crate) const VERSION: u32 = 1;

/// Something that happened in a run.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// The first line.
    RunStarted {
        version: u32,
        package: &'a str,
        /// `--lib`, `--test NAME`: the target of the package that runs.
        target: &'a str,
        pid: u32,
        arguments: &'a [String],
        #[serde(flatten)]
        selected: Selected<'a>,
        seed: u64,
        /// The number that gives the cases' order.
        #[serde(skip_serializing_if = "Option::is_none")]
        shuffle: Option<u64>,
        test_threads: usize,
    },
    /// What becomes of a case; one for each case, before any starts.
    Decided {
        case: &'a str,
        decision: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// A case's process took it on.
    Started { case: &'a str, pid: u32 },
    /// What a case's fixture added to the record.
    Noted { case: &'a str, note: &'a serde_json::Value },
    /// A case came to its end.
    Finished(FinishedCase<'a>),
    /// The last line; a run that was killed has none.
    RunFinished { passed: u64, failed: u64, ignored: u64, filtered_out: u64, duration_ms: f64 },
}

/// What selected the cases.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Selected<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<&'a str>,
}

/// A case that came to its end, with all that a report tells of it.
#[derive(Debug, Serialize)]
pub(crate) struct FinishedCase<'a> {
    pub(crate) case: &'a str,
    #[serde(flatten)]
    pub(crate) outcome: &'a Outcome,
    /// In milliseconds, fixtures included.
    pub(crate) duration_ms: f64,
    pub(crate) seed: u64,
    /// What it does depends on its seed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) uses_seed: bool,
    /// Its failure does not fail the run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) informative: bool,
    /// The end of what it printed, if it did not pass or was to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<&'a Output>,
    /// Where all that it printed is, if `output` is only its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) whole_output: Option<&'a Path>,
    /// What it left in its process: a changed environment, a child process, a thread.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) traces: &'a [String],
    /// The temporary folder it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<&'a Path>,
    /// What it did with the GPUs it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gpus: Option<&'a GpuUse>,
    /// The command that runs it again, if it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rerun: Option<&'a String>,
}
