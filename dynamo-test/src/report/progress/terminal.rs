//! A terminal whose last lines are the view's. What this process prints goes through a pipe meanwhile, so that it
//! comes above them.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stderr, dup2_stdout, stderr, stdout};
use rustix::termios::tcgetwinsize;
use unicode_width::UnicodeWidthChar;

use super::same_stream;
use super::view::View;
use crate::process_groups;

/// How often the view is brought up to date.
const REFRESH: Duration = Duration::from_millis(100);

/// Shows a view until it is dropped.
pub(super) struct Terminal {
    diverted: Option<Diverted>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Shows a view at the end of the terminal that standard error is.
    pub(super) fn show(view: View) -> io::Result<Self> {
        let terminal = File::from(fcntl_dupfd_cloexec(stderr(), 3)?);
        let (printed, diverted) = Diverted::here()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let screen = Screen {
            terminal,
            unfinished: Vec::new(),
            shown: Vec::new(),
            suspended: process_groups::suspended(),
        };
        let over = Arc::clone(&is_over);
        let thread = thread::Builder::new()
            .name("progress".into())
            .spawn(move || screen.show(&view, printed, &over))?;
        Ok(Self { diverted: Some(diverted), is_over, thread: Some(thread) })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // This ends the pipe, unless a process that somebody has started meanwhile has it, too.
        drop(self.diverted.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The standard streams that go through a pipe; put back when this is dropped.
struct Diverted {
    error: OwnedFd,
    /// Where it is the same terminal.
    output: Option<OwnedFd>,
}

impl Diverted {
    fn here() -> io::Result<(PipeReader, Self)> {
        let (reader, writer) = io::pipe()?;
        let both = same_stream(stdout(), stderr());
        let output = both.then(|| fcntl_dupfd_cloexec(stdout(), 3)).transpose()?;
        let diverted = Self { error: fcntl_dupfd_cloexec(stderr(), 3)?, output };
        dup2_stderr(&writer)?;
        if diverted.output.is_some() {
            dup2_stdout(&writer)?;
        }
        Ok((reader, diverted))
    }
}

impl Drop for Diverted {
    fn drop(&mut self) {
        // What cannot be put back stays unreadable; nothing else can be done about it.
        let _ = io::stdout().flush();
        let _ = dup2_stderr(&self.error);
        if let Some(output) = &self.output {
            let _ = dup2_stdout(output);
        }
    }
}

/// What stands on the terminal.
struct Screen {
    terminal: File,
    /// The last line that was printed, until it is whole.
    unfinished: Vec<u8>,
    /// The lines of the view.
    shown: Vec<String>,
    /// How long the run was suspended when they were written.
    suspended: Duration,
}

impl Screen {
    /// Passes on what is printed, with the view below, until there is no more.
    fn show(mut self, view: &View, mut printed: PipeReader, is_over: &AtomicBool) {
        let refresh = Timespec { tv_sec: 0, tv_nsec: REFRESH.as_nanos() as _ };
        let mut buffer = [0; 16 * 1024];
        loop {
            let waited = poll(&mut [PollFd::new(&printed, PollFlags::IN)], Some(&refresh));
            match waited {
                Ok(0) if is_over.load(Ordering::Acquire) => break,
                Ok(0) | Err(_) => self.update(b"", view),
                Ok(_) => match printed.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => self.update(&buffer[..read], view),
                },
            }
        }
        let rest = std::mem::take(&mut self.unfinished);
        self.write(&rest, Vec::new());
    }

    /// Prints what has become a whole line, and brings the view up to date.
    fn update(&mut self, printed: &[u8], view: &View) {
        self.unfinished.extend_from_slice(printed);
        let whole =
            self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.unfinished.drain(..whole).collect();
        let (width, height) = self.size();
        let shown = view.lines(height).into_iter().map(|line| cut(line, width)).collect();
        if !lines.is_empty() || shown != self.shown {
            self.write(&lines, shown);
        }
    }

    /// In one go, so that nothing flickers.
    fn write(&mut self, text: &[u8], shown: Vec<String>) {
        let suspended = process_groups::suspended();
        let mut bytes = Vec::new();
        // After a suspension others have written below.
        if !self.shown.is_empty() && suspended == self.suspended {
            bytes.extend_from_slice(format!("\r\x1b[{}A\x1b[J", self.shown.len()).as_bytes());
        }
        bytes.extend_from_slice(text);
        for line in &shown {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        // Who has lost the terminal sees nothing of it.
        let _ = self.terminal.write_all(&bytes);
        self.suspended = suspended;
        self.shown = shown;
    }

    /// Columns and lines.
    fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.terminal) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => (80, 24),
        }
    }
}

/// As much of a line as fits: the view's lines are counted.
fn cut(mut line: String, width: usize) -> String {
    let mut columns = 0;
    let end = line.char_indices().find_map(|(position, character)| {
        columns += character.width().unwrap_or(0);
        (columns >= width).then_some(position)
    });
    if let Some(end) = end {
        line.truncate(end);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_line_of_the_view_never_reaches_the_end_of_the_terminals() {
        let cut = |line: &str, width| cut(line.into(), width);
        assert_eq!(cut("größer", 7), "größer");
        assert_eq!(cut("größer", 6), "größe");
        assert_eq!(cut("試験", 4), "試", "each of them is two columns wide");
        assert_eq!(cut("", 0), "");
    }
}
