use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Stat, fstat};
use rustix::io::fcntl_dupfd_cloexec;

/// The standard output and error that a process was started with. A test may close or redirect them; what comes after
/// it must not suffer.
pub(super) struct StandardStreams {
    output: Kept,
    error: Kept,
}

/// A stream, and which file it is.
struct Kept {
    stream: OwnedFd,
    file: Option<FileId>,
}

/// Device and number.
type FileId = (u64, u64);

impl StandardStreams {
    pub(super) fn keep() -> io::Result<Self> {
        let keep = |stream| {
            let kept = fcntl_dupfd_cloexec(stream, 3)?;
            io::Result::Ok(Kept { file: fstat(&kept).ok().map(|file| id(&file)), stream: kept })
        };
        Ok(Self { output: keep(rustix::stdio::stdout())?, error: keep(rustix::stdio::stderr())? })
    }

    /// Puts them back where they were; how long the file is that the output is written to, 0 if it is none.
    pub(super) fn put_back(&self) -> u64 {
        // Nothing can be done about a failure here; the case's output would be missing.
        if self.error.is_no_longer(rustix::stdio::stderr()) {
            let _ = rustix::stdio::dup2_stderr(&self.error.stream);
        }
        if self.output.is_no_longer(rustix::stdio::stdout()) {
            let _ = rustix::stdio::dup2_stdout(&self.output.stream);
        }
        length(&self.output.stream)
    }
}

impl Kept {
    fn is_no_longer(&self, stream: impl AsFd) -> bool {
        self.file.is_none() || fstat(stream).map_or(None, |file| Some(id(&file))) != self.file
    }
}

/// How long the file is that a stream is written to; 0 if it is none.
pub(super) fn length(stream: impl AsFd) -> u64 {
    fstat(stream).map_or(0, |file| u64::try_from(file.st_size).unwrap_or_default())
}

#[allow(clippy::unnecessary_cast, reason = "their types differ from system to system")]
fn id(file: &Stat) -> FileId {
    (file.st_dev as u64, file.st_ino as u64)
}
