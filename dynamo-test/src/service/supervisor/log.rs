use std::collections::VecDeque;
use std::io::{BufRead, BufReader, PipeReader};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::super::tail::Tail;

/// How many of a server's last lines are kept: enough for what a Go program says before its goroutines.
const LINES: usize = 40;

/// What a server printed.
#[derive(Default)]
pub(super) struct Log {
    state: Mutex<State>,
    end: Condvar,
}

#[derive(Default)]
struct State {
    last: VecDeque<String>,
    /// How many streams are still read.
    open: usize,
}

impl Log {
    /// Reads a stream to its end, and hands over each of its lines.
    pub(super) fn follow(
        self: &Arc<Self>,
        stream: PipeReader,
        mut each: impl FnMut(&str) + Send + 'static,
    ) {
        self.state().open += 1;
        let log = Arc::clone(self);
        thread::spawn(move || {
            let mut lines = BufReader::new(stream);
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                each(&text);
                log.push(text);
            }
            log.state().open -= 1;
            log.end.notify_all();
        });
    }

    /// Adds a line.
    pub(super) fn push(&self, line: String) {
        let mut state = self.state();
        if state.last.len() == LINES {
            state.last.pop_front();
        }
        state.last.push_back(line);
    }

    /// Waits until everything has been read: a server that has ended may be ahead of its last words.
    pub(super) fn wait_for_end(&self, within: Duration) {
        let state = self.end.wait_timeout_while(self.state(), within, |state| state.open > 0);
        drop(state.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn tail(&self) -> Tail {
        Tail(self.state().last.iter().cloned().collect())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
