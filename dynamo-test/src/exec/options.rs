use std::path::PathBuf;
use std::sync::Arc;

use super::Deadlines;
use super::board::Board;
use super::workers::WorkerCommand;
use crate::fixture::Notes;
use crate::gpu::GpuOptions;
use crate::service::ServiceOptions;

/// How a run executes its cases.
pub(crate) struct RunnerOptions {
    /// How many cases run at once.
    pub(crate) slots: usize,
    pub(crate) place: Place,
    /// Whether every case gets a process of its own.
    pub(crate) isolate: bool,
    /// How long the cases may take.
    pub(crate) deadlines: Deadlines,
    /// Where the lock files of serial groups are.
    pub(crate) serial: PathBuf,
    /// Where the run's temporary folders go.
    pub(crate) temp: PathBuf,
    pub(crate) services: ServiceOptions,
    /// Where the whole output of a failed case goes if it is too long to show.
    pub(crate) outputs: PathBuf,
    /// What the run is of, as others that wait for what it holds are told.
    pub(crate) name: String,
    /// Where it is written what the cases are doing.
    pub(crate) board: Arc<Board>,
    pub(crate) gpus: GpuOptions,
    /// How many cases with GPUs come at once, at the beginning.
    pub(crate) gpu_cases: usize,
    /// The file that keeps how long the cases took.
    pub(crate) durations: PathBuf,
    /// Where the cases' notes go.
    pub(crate) notes: Notes,
}

/// Where cases run.
pub(crate) enum Place {
    /// In this process, which runs nothing else: the only case.
    Alone,
    /// In this process, one after the other; those that need a process of their own, in workers.
    InTurn(WorkerCommand),
    /// In this process, beside others.
    Thread,
    /// In worker processes.
    Workers(WorkerCommand),
}
