use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::missed::AllMissed;
use super::{Event, FinishedCase, failure_text};
use crate::exec::Outcome;

/// How many of the cases are named that a signal ended or kept from beginning.
const MOST_INTERRUPTED: usize = 20;

/// What a person should know after a run beyond libtest's own lines, gathered from its events.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// How many cases were skipped, by reason.
    skipped: BTreeMap<String, u64>,
    /// The cases that were ended, or not begun, because the run was told to stop.
    interrupted: BTreeSet<String>,
    /// How many cases were not begun, by reason.
    not_begun: BTreeMap<String, u64>,
    /// How often the flaky cases failed and passed, by case.
    flaky: BTreeMap<String, (u64, u64)>,
    /// The number that gave the cases' order.
    shuffle: Option<u64>,
    /// The cases that failed as they say they would, or did not: how.
    expected: BTreeMap<String, String>,
    /// What went wrong with cases in quarantine, by case.
    quarantined: BTreeMap<String, String>,
    /// What went wrong with stress cases without failing the run, by case.
    informative: BTreeMap<String, String>,
    /// What cases left in their processes, by case.
    traces: BTreeMap<String, String>,
    /// The cases that used more GPU memory than they declare: how.
    overdrawn: BTreeMap<String, String>,
    /// What cases should declare of their GPU memory.
    proposals: BTreeMap<String, String>,
    missed: AllMissed,
    /// What passed cases printed, by case, where that was to be shown.
    shown: BTreeMap<String, String>,
    /// How many cases were decided on, and how many of them were not selected.
    cases: u64,
    deselected: u64,
}

impl Summary {
    pub(super) fn observe(&mut self, event: &Event<'_>) {
        if let Event::Finished(FinishedCase { case, gpus: Some(gpus), .. }) = event {
            let case = || (*case).to_owned();
            self.overdrawn.extend(gpus.overdrawn().map(|overdrawn| (case(), overdrawn)));
            self.proposals.extend(gpus.proposal().map(|proposal| (case(), proposal)));
        }
        match event {
            Event::Repeated { case, passed, failed, flaky: true } => {
                self.flaky.insert((*case).to_owned(), (*failed, *passed));
            }
            Event::RunStarted { shuffle, .. } => self.shuffle = *shuffle,
            Event::Decided { decision, reason, .. } => {
                self.cases += 1;
                match (*decision, reason) {
                    ("skipped" | "ignored", Some(reason)) => {
                        *self.skipped.entry((*reason).to_owned()).or_default() += 1;
                    }
                    ("deselected", _) => self.deselected += 1,
                    _ => {}
                }
            }
            Event::Finished(finished) => self.finished(finished),
            Event::Missed(missed) => self.missed.add(missed),
            _ => {}
        }
    }

    fn finished(&mut self, finished: &FinishedCase<'_>) {
        let case = || finished.case.to_owned();
        // What is left of a case that was told to end is no fault of its own.
        let is_over = !matches!(finished.outcome, Outcome::Interrupted { .. });
        if is_over && !finished.traces.is_empty() {
            self.traces.insert(case(), finished.traces.join("; "));
        }
        match finished.outcome {
            Outcome::Passed => {
                if let Some(output) = finished.output {
                    self.shown.insert(case(), output.text.clone());
                }
            }
            Outcome::Interrupted { .. } => drop(self.interrupted.insert(case())),
            Outcome::NotBegun { reason } => {
                *self.not_begun.entry(reason.clone()).or_default() += 1;
            }
            // In each round for the same reason.
            Outcome::Skipped { .. } | Outcome::XFailed { .. } | Outcome::XPassed { .. }
                if finished.round.is_some_and(|round| round > 1) => {}
            Outcome::Skipped { reason } => *self.skipped.entry(reason.clone()).or_default() += 1,
            Outcome::XFailed { .. } | Outcome::XPassed { strict: false, .. } => {
                self.expected.insert(case(), finished.outcome.headline());
            }
            Outcome::Quarantined { .. } => {
                self.quarantined.insert(case(), failure_text(finished));
            }
            _ if finished.informative => {
                self.informative.insert(case(), failure_text(finished));
            }
            _ => {}
        }
    }

    /// Whether there were cases, and the selection left none of them.
    pub(crate) fn nothing_selected(&self) -> bool {
        self.cases > 0 && self.deselected == self.cases
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nothing_selected() {
            let plural = if self.cases == 1 { "" } else { "s" };
            writeln!(
                f,
                "none of the {} case{plural} here was selected; --explain says why",
                self.cases
            )?;
        }
        if !self.interrupted.is_empty() {
            writeln!(f, "the run was told to stop; ended or not begun:")?;
            for case in self.interrupted.iter().take(MOST_INTERRUPTED) {
                writeln!(f, "    {case}")?;
            }
            if self.interrupted.len() > MOST_INTERRUPTED {
                writeln!(f, "    and {} more", self.interrupted.len() - MOST_INTERRUPTED)?;
            }
        }
        if !self.flaky.is_empty() {
            writeln!(f, "flaky:")?;
            for (case, (failed, passed)) in &self.flaky {
                writeln!(f, "    {case}: failed {failed} of {} times", failed + passed)?;
            }
        }
        if !self.not_begun.is_empty() {
            writeln!(f, "not begun:")?;
            for (reason, count) in &self.not_begun {
                writeln!(f, "    {count} × {reason}")?;
            }
        }
        if !self.skipped.is_empty() {
            writeln!(f, "skipped:")?;
            for (reason, count) in &self.skipped {
                writeln!(f, "    {count} × {reason}")?;
            }
        }
        if !self.traces.is_empty() {
            writeln!(f, "warnings (--strict fails these cases; each worker was replaced):")?;
            for (case, traces) in &self.traces {
                writeln!(f, "    {case}: {traces}")?;
            }
        }
        if !self.overdrawn.is_empty() {
            writeln!(f, "used more GPU memory than declared (--strict fails them):")?;
            for (case, overdrawn) in &self.overdrawn {
                writeln!(f, "    {case}: {overdrawn}")?;
            }
        }
        if !self.proposals.is_empty() {
            writeln!(f, "measured GPU memory, with a tenth to spare, suggests:")?;
            for (case, proposal) in &self.proposals {
                writeln!(f, "    {case}: {proposal}")?;
            }
        }
        if !self.expected.is_empty() {
            writeln!(f, "expected failures:")?;
            for (case, headline) in &self.expected {
                let first = headline.lines().next().unwrap_or_default();
                writeln!(f, "    {case}: {first}")?;
            }
        }
        self.missed.fmt(f)?;
        write_blocks(f, "in quarantine, failed without failing the run:", &self.quarantined)?;
        write_blocks(
            f,
            "failed, without failing the run (a lifecycle's stress cases only inform):",
            &self.informative,
        )?;
        write_blocks(f, "successes:", &self.shown)?;
        if let Some(shuffle) = self.shuffle {
            writeln!(f, "shuffled: --shuffle {shuffle} gives this order again")?;
        }
        Ok(())
    }
}

/// Blocks of text, each under its case's heading as libtest writes it.
fn write_blocks(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    texts: &BTreeMap<String, String>,
) -> fmt::Result {
    if texts.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}\n")?;
    for (case, text) in texts {
        writeln!(f, "---- {case} ----\n{}\n", text.trim_end())?;
    }
    Ok(())
}
