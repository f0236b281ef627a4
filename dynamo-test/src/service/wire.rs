//! What the supervisor and its clients say to each other over its socket: a JSON object a line.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::spec::{Mode, ServerSpec};
#[cfg(feature = "containers")]
use super::supervisor::EngineError;
use super::tail::Tail;

/// Rises with every change of what is said; supervisors of other versions have other sockets.
pub(super) const VERSION: u32 = 4;

/// A client's word. Each is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub(super) enum Request {
    /// Whether the supervisor is there.
    Greet,
    /// A server, for as long as this connection lasts.
    Lease(Wanted),
    /// The lease is over; once this is answered, another may have the server.
    Release,
    /// There will be leases: a server may be started ahead.
    Prepare(Wanted),
    /// The leased server is of no use to anybody.
    Discard,
    /// Nor is any other of its spec, for this reason.
    Condemn { reason: String },
    /// This connection, too, commands the server of a lease that another holds.
    Attend { lease: u64 },
    /// Something shall happen to a server of the lease, which are counted from 0.
    Command { server: usize, command: Command },
    /// A fault shall befall a server of the lease.
    Inflict { server: usize, fault: Fault },
    /// All faults of a server of the lease shall end.
    Heal { server: usize },
    /// How the servers of the lease are, once one has ended or this much time has passed.
    Status { within: Duration },
    /// The client is about to stand still, and its servers shall, too, until it goes on or hangs up.
    Suspend,
    /// The client goes on.
    Resume,
    /// The run is over: every server ends, and then this connection.
    End,
}

/// The server that a client wants.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wanted {
    pub(super) spec: ServerSpec,
    pub(super) mode: Mode,
    /// How long it may take to start.
    pub(super) within: Duration,
    /// How many servers of the spec there may be at once.
    pub(super) at_most: usize,
    /// How many leases of a shared server there may be at once.
    pub(super) parts: Option<u32>,
}

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// It stands still, with its connections open.
    Pause,
    /// It goes on.
    Resume,
    /// It dies at once.
    Kill,
    /// It is told to end, and does.
    Terminate,
    /// It is started again, on the same port and data; one that runs is killed first.
    Restart,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Kill => "die",
            Self::Terminate => "end",
            Self::Restart => "restart",
        })
    }
}

/// The supervisor's word.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    Leased(Leased),
    Done,
    Status {
        /// One for each server of the lease.
        servers: Vec<Status>,
    },
    /// It cannot be done.
    Refused {
        error: ServerError,
    },
}

/// What a lease is the right to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Leased {
    pub(super) lease: u64,
    /// Where clients reach it: `host:port`, of a cluster one for each member, separated by commas.
    pub(super) authority: String,
    /// Where it keeps its data, if that can be seen from here.
    pub(super) folder: Option<PathBuf>,
    /// Whether nobody has used it before.
    pub(super) fresh: bool,
    /// Of a shared server, which part nobody else has meanwhile.
    pub(super) part: Option<u32>,
}

/// How a server is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Status {
    /// What messages call it.
    pub(super) server: String,
    /// How it ended, if it has.
    pub(super) ended: Option<String>,
    pub(super) tail: Tail,
    /// Whether somebody has asked for its end.
    pub(super) told_to_end: bool,
}

/// Why the supervisor has no server to give.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServerError {
    #[error("{name} could not be started from {}: {error}", path.display())]
    NotStarted { name: String, path: PathBuf, error: String },
    #[error("no folder for {name} could be made at {}: {error} (TMPDIR names another place)", path.display())]
    NoFolder { name: String, path: PathBuf, error: String },
    #[error("{name} ended before it was ready ({status}); its last lines:\n{tail}")]
    EndedEarly { name: String, status: String, tail: Tail },
    #[error(
        "{name} ({}) was not ready within {} s ($DYNAMO_TEST_SERVICE_TIMEOUT); its last lines:\n{tail}",
        path.display(), within.as_secs_f64()
    )]
    NotReady { name: String, path: PathBuf, within: Duration, tail: Tail },
    #[error("{name} has no port: {error}")]
    NoPort { name: String, error: String },
    #[error("{reason}")]
    Condemned { reason: String },
    #[error("{name} did not {command}: {error}")]
    NotDone { name: String, command: String, error: String },
    #[error("the case's lease of a server is over")]
    NoLease,
    #[error(
        "the way to a server that others use, too, cannot be disturbed: ask for a dedicated one"
    )]
    NoFront,
    #[error("the run is over, and its servers with it")]
    Ending,
    #[cfg(feature = "containers")]
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// One end of a connection.
pub(super) struct Connection {
    stream: BufReader<UnixStream>,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    /// Bounds the wait for an answer.
    pub(super) fn wait_at_most(&self, span: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(span))
    }

    /// Waits for a message to be there, or the other side to have hung up; false if that takes longer.
    pub(super) fn has_come(&self, within: Duration) -> bool {
        let within = Timespec::try_from(within).ok();
        let mut stream = [PollFd::new(self.stream.get_ref(), PollFlags::IN)];
        if !self.stream.buffer().is_empty() {
            return true;
        }
        // Who reads learns of an error; a signal is none.
        !matches!(poll(&mut stream, within.as_ref()), Ok(0) | Err(Errno::INTR))
    }

    /// Writes a message and its line end at once.
    pub(super) fn send(&mut self, message: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line)
    }

    /// Reads a message; none where the other side has hung up.
    pub(super) fn receive<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line)? {
            0 => Ok(None),
            _ => Ok(Some(serde_json::from_slice(&line)?)),
        }
    }
}
