use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use super::Tail;

/// What went wrong with a [`Process`](super::Process).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// There is no such program.
    #[error("no program {} found (looked in {looked_in})", program.display())]
    NotFound {
        /// As it was asked for.
        program: PathBuf,
        /// `PATH`, or the folder that a relative path begins in.
        looked_in: String,
    },
    /// The operating system refused.
    #[error("{} could not be started: {error}", program.display())]
    NotStarted {
        /// As it was asked for.
        program: PathBuf,
        /// What the operating system said.
        error: std::io::Error,
    },
    /// The file for its log, or what ends it when the test is killed, could not be made.
    #[error("{name} was not started: {error}")]
    NotPrepared {
        /// The process's name.
        name: String,
        /// What is missing.
        error: std::io::Error,
    },
    /// Somebody listens on the port by which its readiness was to be seen.
    #[error(
        "{name} was not started: somebody else listens on port {port} already (the fixture `Ports` finds free ones)"
    )]
    PortTaken {
        /// The process's name.
        name: String,
        /// The port.
        port: u16,
    },
    /// It ended before what was waited for.
    #[error("{name} ended ({status}) before {awaited}; its last lines:\n{tail}")]
    Ended {
        /// The process's name.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// What was waited for.
        awaited: String,
        /// The end of its log.
        tail: Tail,
    },
    /// What was waited for did not come in time.
    #[error("{name} was waited for in vain: {} passed before {awaited}; its last lines:\n{tail}",
        humantime::format_duration(*patience))]
    InVain {
        /// The process's name.
        name: String,
        /// What was waited for.
        awaited: String,
        /// For how long.
        patience: Duration,
        /// The end of its log.
        tail: Tail,
    },
    /// It could not be written to.
    #[error("{name} takes no input: {error}")]
    Input {
        /// The process's name.
        name: String,
        /// Why.
        error: std::io::Error,
    },
}
