//! What a terminal shows of the cases that are under way.

use std::sync::Arc;
use std::time::Duration;

use super::shown;
use crate::exec::{Board, Stage, UnderWay};
use crate::process_groups::Stopwatch;

/// From when on something is shown: what is over sooner would only flicker.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// How many cases are shown at most; of a low terminal half the lines.
const MOST_CASES: usize = 10;

/// The lines at the end of a terminal that say what is going on.
pub(super) struct View {
    board: Arc<Board>,
    /// How many cases the run has.
    cases: usize,
    since: Stopwatch,
}

impl View {
    pub(super) fn new(board: Arc<Board>, cases: usize) -> Self {
        Self { board, cases, since: Stopwatch::start() }
    }

    /// What to show now on a terminal that has so many lines.
    pub(super) fn lines(&self, height: usize) -> Vec<String> {
        let elapsed = self.since.elapsed();
        if elapsed < SHOWN_AFTER {
            return Vec::new();
        }
        let (mut running, mut waiting) = (Vec::new(), Vec::new());
        for (_, case) in self.board.under_way() {
            match &case.stage {
                Stage::Comes => {}
                Stage::Runs => running.push(case),
                Stage::Waits(_) => waiting.push(case),
            }
        }
        let (ended, all, time) = (self.board.ended(), self.cases, shown(elapsed));
        let mut lines =
            vec![format!("{ended} of {all} cases done in {time}, {} running", running.len())];
        if !waiting.is_empty() {
            lines[0].push_str(&format!(", {} waiting", waiting.len()));
        }
        let long: Vec<UnderWay> = running
            .into_iter()
            .chain(waiting)
            .filter(|case| case.since.elapsed() >= SHOWN_AFTER)
            .collect();
        let most = MOST_CASES.min(height / 2);
        lines.extend(long.iter().take(most).map(line));
        if long.len() > most {
            lines.push(format!("{:>8}  and {} more", "", long.len() - most));
        }
        lines
    }
}

fn line(case: &UnderWay) -> String {
    let time = shown(case.since.elapsed());
    match &case.stage {
        Stage::Waits(wait) => format!("{time:>8}  {} waits for {wait}", case.case),
        Stage::Comes | Stage::Runs => format!("{time:>8}  {}", case.case),
    }
}
