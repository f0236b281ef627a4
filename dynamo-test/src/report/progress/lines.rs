//! Where nobody watches: a line for what takes long.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::shown;
use crate::exec::{Board, Stage, UnderWay};

/// Says what takes long, again after twice the time.
pub(super) struct Lines {
    board: Arc<Board>,
    /// From when on something takes long.
    long: Duration,
    /// Whether it is said of cases that run, or only of those that wait.
    of_runs: bool,
    /// When it is next said of a case, and whether it ran when it was said last.
    next: HashMap<u64, (bool, Duration)>,
}

impl Lines {
    pub(super) fn new(board: Arc<Board>, long: Duration, of_runs: bool) -> Self {
        Self { board, long, of_runs, next: HashMap::new() }
    }

    /// Says what is to be said now, and when to ask again.
    pub(super) fn say(&mut self, out: &mut impl Write) -> Duration {
        let under_way = self.board.under_way();
        self.next.retain(|known, _| under_way.iter().any(|(number, _)| number == known));
        let mut soonest = self.long;
        for (number, UnderWay { case, stage, since }) in under_way {
            let runs = match &stage {
                Stage::Runs if self.of_runs => true,
                Stage::Waits(_) => false,
                Stage::Comes | Stage::Runs => continue,
            };
            let (elapsed, long) = (since.elapsed(), self.long);
            let next = self.next.entry(number).or_insert((runs, long));
            if next.0 != runs {
                *next = (runs, long);
            }
            if elapsed >= next.1 {
                let time = shown(elapsed);
                let line = match stage {
                    Stage::Waits(wait) => format!("{case} has waited {time} for {wait}"),
                    _ => format!("{case} has been running for {time}"),
                };
                // Whoever closed the stream does not want to know.
                let _ = writeln!(out, "dynamo-test: {line}");
                while next.1 <= elapsed {
                    next.1 *= 2;
                }
            }
            soonest = soonest.min(next.1 - elapsed);
        }
        soonest
    }
}
