//! Execution: a case runs in a worker process, or in this one, and comes out with an outcome whatever it does.

mod attempt;
mod board;
mod brood;
mod capture;
mod deadlines;
mod ending;
mod environment;
mod exit_guard;
mod finished;
mod gpu_use;
#[cfg_attr(not(all(feature = "gpu", target_os = "linux")), path = "no_gpus.rs")]
mod gpus;
mod hand_out;
mod in_process;
mod janitor;
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod leasing;
mod line;
mod lineage;
mod options;
mod outcome;
mod panics;
mod relay;
mod round;
mod runner;
mod serial;
mod servers;
mod single;
mod slots;
mod stacks;
mod standard_streams;
mod stream;
mod thread_state;
mod traces;
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod turns;
mod variables;
mod waits;
mod wire;
mod worker;
mod worker_process;
mod workers;

pub(crate) use board::{Board, Stage, UnderWay};
pub(crate) use capture::Output;
pub(crate) use deadlines::Deadlines;
pub(crate) use exit_guard::leave;
pub(crate) use finished::Finished;
pub(crate) use gpu_use::GpuUse;
pub(crate) use in_process::is_debugged;
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub use leasing::Leasing;
pub(crate) use options::{Place, RunnerOptions};
pub(crate) use outcome::Outcome;
pub use panics::skip;
pub(crate) use round::Round;
pub(crate) use runner::Runner;
pub(crate) use stream::{Audience, Began, Stream};
pub(crate) use worker::{WORKER_ARGUMENT, serve, serve_one};
pub(crate) use workers::WorkerCommand;
