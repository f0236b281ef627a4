//! What a person is told while a run goes on, on standard error: a terminal shows what is going on below what is
//! printed; elsewhere a line says what takes long.

mod lines;
mod terminal;
mod view;

use std::env;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config;
use crate::exec::Board;
use lines::Lines;
use terminal::Terminal;
use view::View;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// A view at the end of a terminal: what runs, and what waits for what.
    View,
    /// The same, a line for what takes long.
    Lines,
    /// Only what waits for what: who else watches sees what runs.
    Waits,
    /// Nothing.
    Nothing,
}

impl Telling {
    /// What suits the standard streams of a run that prints a line a case, or something else. What its cases print may
    /// come in between unless it is captured.
    pub(crate) fn of_this_process(prints_lines: bool, is_captured: bool) -> Self {
        if !prints_lines && same_stream(io::stdout(), io::stderr()) {
            return Self::Nothing;
        }
        let is_dumb = env::var_os("TERM").is_none_or(|kind| kind == "dumb");
        if is_captured && io::stderr().is_terminal() && !is_dumb { Self::View } else { Self::Lines }
    }
}

/// Tells of a run until it is dropped. A run goes on without being told of.
#[derive(Default)]
pub(crate) struct Progress {
    _terminal: Option<Terminal>,
    _speaker: Option<Speaker>,
}

impl Progress {
    /// Begins to tell of the cases on a board, of which the run has so many.
    pub(crate) fn start(
        board: Arc<Board>,
        cases: usize,
        config: &config::Progress,
        telling: Telling,
    ) -> Self {
        let view = || Terminal::show(View::new(Arc::clone(&board), cases)).ok();
        let lines = |of_runs| {
            let speaker = Speaker::start(Lines::new(Arc::clone(&board), config.long, of_runs)).ok();
            Self { _speaker: speaker, _terminal: None }
        };
        match telling {
            Telling::View => match view() {
                Some(terminal) => Self { _terminal: Some(terminal), _speaker: None },
                None => lines(true),
            },
            Telling::Lines => lines(true),
            Telling::Waits => lines(false),
            Telling::Nothing => Self::default(),
        }
    }
}

/// The thread that says what takes long.
struct Speaker {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Speaker {
    fn start(mut lines: Lines) -> io::Result<Self> {
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new().name("progress".into()).spawn(move || {
            // Not locked, and not by `eprintln!`, which the stock harness keeps to itself.
            let mut next = lines.say(&mut io::stderr());
            while ended.recv_timeout(next) == Err(RecvTimeoutError::Timeout) {
                next = lines.say(&mut io::stderr());
            }
        })?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // What it was about to say comes before what follows.
            let _ = thread.join();
        }
    }
}

/// Whether what is written to one comes out at the other's place.
fn same_stream(one: impl AsFd, other: impl AsFd) -> bool {
    let identity = |file: rustix::fs::Stat| (file.st_dev, file.st_ino);
    match (rustix::fs::fstat(one), rustix::fs::fstat(other)) {
        (Ok(one), Ok(other)) => identity(one) == identity(other),
        _ => false,
    }
}

/// A time for people, in whole seconds.
fn shown(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}
