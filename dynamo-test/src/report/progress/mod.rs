//! What a person is told while a run goes on, on standard error.

mod lines;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::config;
use crate::exec::Board;
use lines::Lines;

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    /// What runs, and what waits for what.
    All,
    /// What waits for what: who else watches sees what runs.
    Waits,
}

/// Tells of a run until it is dropped.
pub(crate) struct Progress {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to tell of the cases on a board.
    pub(crate) fn start(board: Arc<Board>, config: &config::Progress, telling: Telling) -> Self {
        let lines = Lines::new(board, config.long, telling == Telling::All);
        let (end, ended) = mpsc::channel();
        let told = thread::Builder::new().name("progress".into()).spawn(move || {
            let mut lines = lines;
            // Not locked, and not by `eprintln!`, which the stock harness keeps to itself.
            let mut next = lines.say(&mut io::stderr());
            while ended.recv_timeout(next) == Err(RecvTimeoutError::Timeout) {
                next = lines.say(&mut io::stderr());
            }
        });
        // A run goes on without being told of.
        Self { thread: told.ok().map(|thread| (end, thread)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            // What it was about to say comes before what follows.
            let _ = thread.join();
        }
    }
}

/// A time for people, in whole seconds.
fn shown(time: Duration) -> String {
    humantime::format_duration(Duration::from_secs(time.as_secs())).to_string()
}
