//! What controller and worker say to each other over their socket.
//!
//! A message is a frame: eight bytes that tell its kind and length, then its body. Numbers are little-endian. What every
//! case needs is laid out by hand, because most cases need nothing else and an unoptimised build pays dearly for more;
//! what only some cases have (services, GPUs, a failure's message) is JSON at the end of the body, or nothing.
//!
//! Either side may die in the middle of a frame, and a test may write into the socket what it likes: whatever comes is a
//! message, the wish for more bytes, or a [`WireError`].

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Outcome;
use crate::fixture::Grants;

/// What a frame begins with.
const MAGIC: [u8; 3] = [0xD7, b'd', b't'];

/// The magic bytes, a byte for the kind, four for the length of the body.
const HEADER: usize = 8;

/// The longest body.
const MAX_BODY: usize = 1 << 20;

/// How much of a text that a test wrote travels: escaped, several of them fit into a body.
const MAX_TEXT: usize = 32 * 1024;

/// How much is read at once.
const CHUNK: usize = 16 * 1024;

/// What came in is no message.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// Something else writes into the socket.
    #[error("no message begins with the bytes {0:02x?}")]
    Foreign(Vec<u8>),
    /// Longer than any message is.
    #[error("a message of {0} bytes was announced")]
    TooLong(usize),
    /// A kind that this side does not know.
    #[error("no message is of the kind {0}")]
    UnknownKind(u8),
    /// The body is not what its kind has.
    #[error("a message of the kind {0} is malformed")]
    Malformed(u8),
}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// What one side sends.
pub(super) trait Message: Sized {
    /// Its kind; the body goes to the end of `body`.
    fn encode(&self, body: &mut Vec<u8>) -> u8;

    /// The message of a frame.
    fn decode(kind: u8, body: Body<'_>) -> Option<Result<Self, Malformed>>;
}

/// The body is not what its kind has: it ends too early or too late, or says what makes no sense.
#[derive(Debug)]
pub(super) struct Malformed;

/// The controller's word.
#[derive(Debug)]
pub(super) enum Order {
    /// Run this case, after those ordered before.
    Run(Assignment),
    /// Give back what has not begun.
    Recall,
    /// Print where each thread stands.
    PrintStacks,
    /// There are no more cases.
    End,
}

/// The worker's word.
#[derive(Debug)]
pub(super) enum Answer {
    /// A case has ended.
    Ended(Report),
    /// Something for the run's record, from a case that runs.
    Noted(Note),
    /// So many of the cases, the last ones ordered, have not begun, and will not.
    Returned(usize),
    /// The threads have printed where they stand.
    StacksPrinted,
}

/// A case to run.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    pub(super) index: usize,
    /// Its path, by which the worker sees that it is of the same build.
    pub(super) path: Cow<'static, str>,
    pub(super) grants: Grants,
}

/// What became of a case.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) outcome: Outcome,
    pub(super) nanos: u64,
    /// How long the file is that its output goes to, in bytes.
    pub(super) printed: u64,
    /// What the case left in the worker; such a worker is done, and what it was ordered beyond has not begun.
    pub(super) traces: Vec<String>,
}

/// A part of the record that a case writes itself.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) index: usize,
    pub(super) value: Value,
}

mod kind {
    pub(super) const RUN: u8 = 1;
    pub(super) const PRINT_STACKS: u8 = 2;
    pub(super) const END: u8 = 3;
    pub(super) const RECALL: u8 = 4;
    pub(super) const ENDED: u8 = 16;
    pub(super) const NOTED: u8 = 17;
    pub(super) const STACKS_PRINTED: u8 = 18;
    pub(super) const RETURNED: u8 = 19;
}

impl Message for Order {
    fn encode(&self, body: &mut Vec<u8>) -> u8 {
        match self {
            Self::Run(assignment) => assignment.encode(body),
            Self::Recall => kind::RECALL,
            Self::PrintStacks => kind::PRINT_STACKS,
            Self::End => kind::END,
        }
    }

    fn decode(kind: u8, mut body: Body<'_>) -> Option<Result<Self, Malformed>> {
        Some(match kind {
            kind::RUN => Assignment::decode(body).map(Self::Run),
            kind::RECALL => body.end().map(|()| Self::Recall),
            kind::PRINT_STACKS => body.end().map(|()| Self::PrintStacks),
            kind::END => body.end().map(|()| Self::End),
            _ => return None,
        })
    }
}

impl Assignment {
    fn encode(&self, body: &mut Vec<u8>) -> u8 {
        let Self { index, path, grants } = self;
        put_number(body, *index as u64);
        put_number(body, grants.seed);
        put_bytes(body, path.as_bytes());
        put_bytes(body, grants.temp.as_os_str().as_bytes());
        if !grants.are_plain() {
            put_json(body, grants);
        }
        kind::RUN
    }

    fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let (index, seed) = (body.index()?, body.number()?);
        let path = String::from_utf8(body.bytes()?).map_err(|_| Malformed)?.into();
        let temp = OsString::from_vec(body.bytes()?).into();
        let grants = match body.json()? {
            Some(grants) => grants,
            None => Grants { seed, temp, ..Grants::default() },
        };
        Ok(Self { index, path, grants })
    }
}

/// What a report has beyond a passed case's.
#[derive(Serialize, Deserialize)]
struct Findings {
    #[serde(flatten)]
    outcome: Outcome,
    traces: Vec<String>,
}

impl Message for Answer {
    fn encode(&self, body: &mut Vec<u8>) -> u8 {
        match self {
            Self::Ended(Report { outcome, nanos, printed, traces }) => {
                put_number(body, *nanos);
                put_number(body, *printed);
                if !outcome.passed() || !traces.is_empty() {
                    let (outcome, traces) = (outcome.clone(), traces.clone());
                    put_json(body, &Findings { outcome, traces });
                }
                kind::ENDED
            }
            Self::Noted(Note { index, value }) => {
                put_number(body, *index as u64);
                put_json(body, value);
                kind::NOTED
            }
            Self::Returned(count) => {
                put_number(body, *count as u64);
                kind::RETURNED
            }
            Self::StacksPrinted => kind::STACKS_PRINTED,
        }
    }

    fn decode(kind: u8, mut body: Body<'_>) -> Option<Result<Self, Malformed>> {
        Some(match kind {
            kind::ENDED => Report::decode(body).map(Self::Ended),
            kind::NOTED => Note::decode(body).map(Self::Noted),
            kind::RETURNED => {
                let count = body.index();
                count.and_then(|count| body.end().map(|()| Self::Returned(count)))
            }
            kind::STACKS_PRINTED => body.end().map(|()| Self::StacksPrinted),
            _ => return None,
        })
    }
}

impl Report {
    fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let (nanos, printed) = (body.number()?, body.number()?);
        let findings = body.json()?;
        let Findings { outcome, traces } =
            findings.unwrap_or(Findings { outcome: Outcome::Passed, traces: Vec::new() });
        Ok(Self { outcome, nanos, printed, traces })
    }
}

impl Note {
    fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        Ok(Self { index: body.index()?, value: body.json()?.ok_or(Malformed)? })
    }
}

fn put_number(body: &mut Vec<u8>, number: u64) {
    body.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    put_number(body, bytes.len() as u64);
    body.extend_from_slice(bytes);
}

fn put_json(body: &mut Vec<u8>, value: &impl Serialize) {
    // What is sent is plain data, which has no form that JSON lacks.
    let _ = serde_json::to_writer(body, value);
}

/// What of a body is not read yet.
pub(super) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take(size_of::<u64>())?;
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| Malformed)
    }

    fn index(&mut self) -> Result<usize, Malformed> {
        self.number()?.try_into().map_err(|_| Malformed)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = self.index()?;
        self.take(length).map(Into::into)
    }

    /// The rest, if there is any.
    fn json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        serde_json::from_slice(self.0).map(Some).map_err(|_| Malformed)
    }

    fn end(&mut self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// Adds a message to what is about to be written.
pub(super) fn put(message: &impl Message, bytes: &mut Vec<u8>) {
    put_frame(bytes, |body| message.encode(body));
}

/// Adds the order to run a case.
pub(super) fn put_run(assignment: &Assignment, bytes: &mut Vec<u8>) {
    put_frame(bytes, |body| assignment.encode(body));
}

fn put_frame(bytes: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>) -> u8) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEADER]);
    let kind = encode(bytes);
    let length = (bytes.len() - start - HEADER) as u32;
    let header = &mut bytes[start..start + HEADER];
    header[..3].copy_from_slice(&MAGIC);
    header[3] = kind;
    header[4..].copy_from_slice(&length.to_le_bytes());
}

/// Writes a message at once.
pub(super) fn send(mut stream: impl Write, message: &impl Message) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(256);
    put(message, &mut bytes);
    stream.write_all(&bytes)
}

/// What has come in and is not a message yet.
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Where the next message begins.
    start: usize,
    /// Where the next bytes come in; made once, because to fill a buffer takes an unoptimised build longer than to run
    /// a case.
    chunk: Box<[u8]>,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { bytes: Vec::new(), start: 0, chunk: vec![0; CHUNK].into() }
    }
}

impl Inbox {
    /// Reads what is there, or waits for it, once; how much it was, 0 at the end.
    pub(super) fn receive(&mut self, mut stream: impl Read) -> io::Result<usize> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let read = stream.read(&mut self.chunk)?;
        self.bytes.extend_from_slice(&self.chunk[..read]);
        Ok(read)
    }

    /// The next message that is there as a whole.
    pub(super) fn next<T: Message>(&mut self) -> Result<Option<T>, WireError> {
        let bytes = &self.bytes[self.start..];
        let begun = bytes.len().min(MAGIC.len());
        // At once: what is no message may be too short to look like a whole header for ever.
        if bytes[..begun] != MAGIC[..begun] {
            return Err(WireError::Foreign(bytes[..begun].into()));
        }
        let Some((header, rest)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
        let kind = header[3];
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        if length > MAX_BODY {
            return Err(WireError::TooLong(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = T::decode(kind, Body(body)).ok_or(WireError::UnknownKind(kind))?;
        let message = message.map_err(|Malformed| WireError::Malformed(kind))?;
        self.start += HEADER + length;
        Ok(Some(message))
    }
}

/// Leaves out the end of a text that is too long to travel.
pub(super) fn cut(text: &mut String) {
    if text.len() > MAX_TEXT {
        let is_boundary = |end: &usize| text.is_char_boundary(*end);
        let end = (0..=MAX_TEXT).rev().find(is_boundary).unwrap_or_default();
        let omitted = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("… [{omitted} more bytes]"));
    }
}

#[cfg(test)]
mod tests;
