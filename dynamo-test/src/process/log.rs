//! What a process prints: a file that grows while it runs, every line of it masked.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::LinePattern;
use crate::secrets::Masked;

/// How many of the last lines are quoted.
const TAIL_LINES: usize = 20;

/// How much of a log's end is read for them.
const TAIL_BYTES: u64 = 16 * 1024;

/// The name that every log's file ends with.
const EXTENSION: &str = "log";

/// A log's last lines. They are indented where they are displayed.
#[derive(Clone, Debug, Serialize)]
pub struct Tail(Vec<String>);

impl Tail {
    pub(super) fn of(log: &Path) -> Self {
        Self::read(log).unwrap_or_else(|error| Self(vec![format!("(no log: {error})")]))
    }

    fn read(log: &Path) -> io::Result<Self> {
        let length = log.metadata()?.len();
        let bytes = read_from(log, length.saturating_sub(TAIL_BYTES))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines: Vec<&str> = text.lines().collect();
        let surplus = lines.len().saturating_sub(TAIL_LINES);
        lines.drain(..surplus);
        Ok(Self(lines.into_iter().map(str::to_owned).collect()))
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("    (it printed nothing)");
        }
        let lines: Vec<String> = self.0.iter().map(|line| format!("    {line}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// The log of a process whose case did not pass, as reports show it.
#[derive(Debug, Serialize)]
pub(crate) struct FoundLog {
    pub(crate) path: PathBuf,
    pub(crate) last_lines: Tail,
}

/// As reports show it: a block of lines.
impl fmt::Display for FoundLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_name().unwrap_or_default().display();
        writeln!(f, "{name}, its last lines:\n{}", self.last_lines)
    }
}

impl FoundLog {
    /// The logs that a case's processes left in its folder, in the order of their names.
    pub(crate) fn all_in(folder: &Path) -> Vec<Self> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION))
            .collect();
        paths.sort();
        paths.into_iter().map(|path| Self { last_lines: Tail::of(&path), path }).collect()
    }
}

/// Where the log of the process of this name is.
pub(super) fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.{EXTENSION}"))
}

/// Copies what a process prints into its log, to the end of it. `grown` is told of every piece.
pub(super) fn copy(mut from: PipeReader, to: File, grown: impl Fn()) {
    let mut to = Masked::new(to);
    let mut buffer = [0; 8 * 1024];
    // A process whose log cannot be written (the disk is full) is read on all the same, or it would stand still.
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let _ = to.write(&buffer[..read]);
        grown();
    }
    let _ = to.end();
}

/// A place in a log up to which its lines have been looked at.
#[derive(Default)]
pub(super) struct Cursor(u64);

impl Cursor {
    /// Goes on to the first line that matches, and returns it. `ended` says that the log grows no more, so that a last
    /// line without an end is one, too.
    pub(super) fn next(
        &mut self,
        log: &Path,
        ended: bool,
        pattern: &LinePattern,
    ) -> Option<String> {
        let bytes = read_from(log, self.0).unwrap_or_default();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !ended && line.last() != Some(&b'\n') {
                break;
            }
            self.0 += line.len() as u64;
            let line = String::from_utf8_lossy(line);
            let line = line.trim_end_matches(['\n', '\r']);
            if pattern.matches(line) {
                return Some(line.to_owned());
            }
        }
        None
    }
}

/// A file from a place in it on.
fn read_from(path: &Path, start: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
