//! A terminal whose last lines are the view's. What this process prints goes through a pipe meanwhile, so that it
//! comes above them.

use std::fs::File;
use std::io::{self, PipeReader, Read, Write};
use std::mem;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use console::{Term, truncate_str};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::stdio::{dup2_stderr, dup2_stdout, stderr, stdout};

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
        let picture = Picture { terminal: Arc::new(terminal), drawn: Arc::default() };
        let screen = Screen {
            terminal: Term::read_write_pair(picture.terminal.try_clone()?, picture.clone()),
            picture,
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

/// What is drawn, which comes to the terminal all at once, so that nothing flickers.
#[derive(Clone, Debug)]
struct Picture {
    terminal: Arc<File>,
    drawn: Arc<Mutex<Vec<u8>>>,
}

impl Picture {
    fn show(&self) -> io::Result<()> {
        let drawn = mem::take(&mut *self.drawn.lock().unwrap_or_else(PoisonError::into_inner));
        (&*self.terminal).write_all(&drawn)
    }
}

impl Write for Picture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for Picture {
    fn as_raw_fd(&self) -> RawFd {
        self.terminal.as_raw_fd()
    }
}

/// What stands on the terminal.
struct Screen {
    /// It draws into the picture.
    terminal: Term,
    picture: Picture,
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
        let rest = mem::take(&mut self.unfinished);
        self.write(&rest, Vec::new());
    }

    /// Prints what has become a whole line, and brings the view up to date.
    fn update(&mut self, printed: &[u8], view: &View) {
        self.unfinished.extend_from_slice(printed);
        let whole =
            self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines: Vec<u8> = self.unfinished.drain(..whole).collect();
        let (height, width) = self.terminal.size();
        let lines_of_view = view.lines(height.into()).into_iter();
        let shown = lines_of_view.map(|line| cut(&line, width.into())).collect();
        if !lines.is_empty() || shown != self.shown {
            self.write(&lines, shown);
        }
    }

    fn write(&mut self, text: &[u8], shown: Vec<String>) {
        let suspended = process_groups::suspended();
        // After a suspension others have written below.
        let is_there = suspended == self.suspended;
        // Who has lost the terminal sees nothing of it.
        let _ = self.draw(text, &shown, if is_there { self.shown.len() } else { 0 });
        self.suspended = suspended;
        self.shown = shown;
    }

    /// Draws a text and the view below it, in the place of so many lines.
    fn draw(&self, text: &[u8], shown: &[String], instead_of: usize) -> io::Result<()> {
        if instead_of > 0 {
            self.terminal.move_cursor_up(instead_of)?;
            self.terminal.clear_to_end_of_screen()?;
        }
        (&self.terminal).write_all(text)?;
        shown.iter().try_for_each(|line| self.terminal.write_line(line))?;
        self.picture.show()
    }
}

/// As much of a line as fits: the view's lines are counted.
fn cut(line: &str, width: usize) -> String {
    truncate_str(line, width.saturating_sub(1), "").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_line_of_the_view_never_reaches_the_end_of_the_terminals() {
        assert_eq!(cut("größer", 7), "größer");
        assert_eq!(cut("größer", 6), "größe");
        assert_eq!(cut("試験", 4), "試", "each of them is two columns wide");
        assert_eq!(cut("", 0), "");
    }
}
