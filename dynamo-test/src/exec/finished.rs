use std::path::PathBuf;
use std::time::Duration;

use super::{GpuUse, Outcome, Output};
use crate::process::FoundLog;

/// What one execution of a case came to.
pub(super) struct Attempt {
    pub(super) outcome: Outcome,
    pub(super) output: Option<Output>,
    pub(super) duration: Duration,
    /// What it left in its process.
    pub(super) traces: Vec<String>,
    /// The worker that it ran in.
    pub(super) pid: Option<u32>,
}

impl Attempt {
    /// One that has left nothing but this.
    pub(super) fn of(outcome: Outcome) -> Self {
        let duration = Duration::ZERO;
        Self { outcome, output: None, duration, traces: Vec::new(), pid: None }
    }

    pub(super) fn error(message: impl ToString) -> Self {
        Self::of(Outcome::error(message))
    }
}

/// A case that has run, with all a report may tell of it.
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    /// What it printed, where that was captured.
    pub(crate) output: Option<Output>,
    /// Where all of its output is, if there is more than `output` holds.
    pub(crate) whole_output: Option<PathBuf>,
    pub(crate) duration: Duration,
    pub(crate) seed: u64,
    /// What it left in its process, in words.
    pub(crate) traces: Vec<String>,
    /// The temporary folder that it left for inspection.
    pub(crate) kept: Option<PathBuf>,
    /// The logs of the processes that it started, if they are of interest.
    pub(crate) logs: Vec<FoundLog>,
    /// What it did with the GPUs it asked for.
    pub(crate) gpus: Option<GpuUse>,
}

impl Finished {
    /// Fails a case that passed where others would only be warned.
    pub(crate) fn judge_strictly(&mut self) {
        if !self.outcome.passed() {
            return;
        }
        if let Some(overdrawn) = self.gpus.as_ref().and_then(GpuUse::overdrawn) {
            self.outcome = Outcome::failed(format!("--strict: {overdrawn}"));
        } else if !self.traces.is_empty() {
            self.outcome = Outcome::failed(format!("--strict: it {}", self.traces.join("; ")));
        }
    }
}
