use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::fcntl_dupfd_cloexec;

/// The standard output and error that a process was started with. A test may close or redirect them; what comes after
/// it must not suffer.
pub(super) struct StandardStreams {
    output: OwnedFd,
    error: OwnedFd,
}

impl StandardStreams {
    pub(super) fn keep() -> io::Result<Self> {
        Ok(Self {
            output: fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?,
            error: fcntl_dupfd_cloexec(rustix::stdio::stderr(), 3)?,
        })
    }

    pub(super) fn put_back(&self) {
        // Nothing can be done about a failure here; the case's output would be missing.
        if !same_file(&self.output, rustix::stdio::stdout()) {
            let _ = rustix::stdio::dup2_stdout(&self.output);
        }
        if !same_file(&self.error, rustix::stdio::stderr()) {
            let _ = rustix::stdio::dup2_stderr(&self.error);
        }
    }
}

fn same_file(one: impl AsFd, other: impl AsFd) -> bool {
    let identity = |file: rustix::fs::Stat| (file.st_dev, file.st_ino);
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => identity(one) == identity(other),
        _ => false,
    }
}
