//! What controller and worker say to each other over their socket: a JSON object a line.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::fixture::Grants;

/// The controller's word.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(super) enum Order {
    /// Run this case.
    Run(Assignment),
    /// Print where each thread stands.
    PrintStacks,
    /// There are no more cases.
    End,
}

/// The worker's word.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(super) enum Answer {
    /// The case has ended.
    Ended(Report),
    /// The threads have printed where they stand.
    StacksPrinted,
}

/// A case to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) index: usize,
    /// Its path, by which the worker sees that it is of the same build.
    pub(super) path: String,
    pub(super) grants: Grants,
}

/// What became of a case.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) outcome: Outcome,
    pub(super) micros: u64,
    /// What the case left in the worker; such a worker is done.
    pub(super) traces: Vec<String>,
}

/// Writes a message and its line end at once.
pub(super) fn send(mut stream: impl Write, message: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line)
}

/// Reads a message from its line.
pub(super) fn read<T: DeserializeOwned>(line: &[u8]) -> io::Result<T> {
    Ok(serde_json::from_slice(line)?)
}
