//! The cases of a run: executed, recorded, and told to libtest-mimic.

use std::io::{self, Write};
use std::iter;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Completion, Conclusion, Failed, Trial};

use crate::case::Case;
use crate::exec::{self, Audience, Began, Finished, Outcome, Round, Runner, Stream};
use crate::marker::{Lifecycle, builtin};
use crate::repeat::{Repetition, Tally};
use crate::report::{Event, FinishedCase, Record, failure_text};
use crate::select::{Decision, Planned};
use crate::standards::Standards;
use crate::target::Target;
use crate::{interrupt, process_groups, stop};

/// Not all went well.
const FAILED: u8 = 101;

/// The kind by which libtest-mimic leaves out what was not selected, and counts it; no name of a case holds it.
pub(crate) const DESELECTED: &str = "not selected";

/// What the runners of the cases share.
pub(crate) struct Run {
    pub(crate) target: Target,
    pub(crate) runner: Arc<Runner>,
    pub(crate) record: Arc<Record>,
    pub(crate) seed: u64,
    pub(crate) strict: bool,
    pub(crate) require_gpus: bool,
    pub(crate) lifecycle: Option<Lifecycle>,
    pub(crate) repetition: Option<Repetition>,
    /// None where a single case was asked for by its name.
    pub(crate) standards: Option<Standards>,
}

/// What libtest-mimic is told of a case.
pub(crate) type Said = Result<Completion, Failed>;

impl Audience<Said> for Run {
    fn began(&self, (case, pid): Began) {
        self.record.write(&Event::Started { case, pid });
    }

    fn conclude(
        &self,
        case: &Case,
        began: Option<Began>,
        finished: Finished,
        others_follow: bool,
    ) -> Said {
        if let Some((case, pid)) = began {
            self.record.write_with_next(&[Event::Started { case, pid }]);
        }
        self.judge(case, Round::of(self.seed, 1), finished, others_follow).1
    }

    fn lost(&self) -> Said {
        Err(Failed::from("the harness itself panicked: please report this"))
    }
}

impl Run {
    /// What libtest-mimic runs, prints and counts for a case.
    pub(crate) fn trial(self: &Arc<Self>, planned: Planned, stream: &Arc<Stream<Said>>) -> Trial {
        let Planned { case, decision } = planned;
        let name = case.name();
        let ignored = |reason: Option<String>| {
            Trial::ignorable_test(name, move || Ok(Completion::Ignored { reason }))
        };
        let failed = |why: String| {
            Trial::test(name, move || {
                stop::count_failure();
                Err(Failed::from(why))
            })
        };
        match decision {
            Decision::Deselected(_) => Trial::test(name, || Ok(())).with_kind(DESELECTED),
            Decision::Ignored(reason) => ignored(reason),
            Decision::Lacking(lack) if self.strict => failed(format!("--strict: {lack}")),
            Decision::Lacking(lack) if self.require_gpus && case.definition.settings.gpus > 0 => {
                failed(format!("--require-gpus: {lack}"))
            }
            Decision::Skipped(reason) | Decision::Lacking(reason) => ignored(Some(reason)),
            Decision::Run => {
                let (run, stream) = (Arc::clone(self), Arc::clone(stream));
                let number = self.repetition.as_ref().map(|all| all.add(Arc::clone(&case)));
                Trial::ignorable_test(name, move || run.case(&case, number, &stream))
            }
        }
    }

    /// Runs a case, as often as it is to run, unless it is run already, and says to libtest-mimic what became of it.
    fn case(&self, case: &Arc<Case>, number: Option<usize>, stream: &Stream<Said>) -> Said {
        let (Some(repetition), Some(number)) = (&self.repetition, number) else {
            let said =
                stream.take(case).unwrap_or_else(|| self.attempt(case, Round::of(self.seed, 1)).1);
            if said.is_err() {
                stop::count_failure();
            }
            return said;
        };
        let attempt = |case: &Arc<Case>, round| self.attempt(case, Round::of(self.seed, round));
        let tally = repetition.run(number, attempt, |tally, round, (outcome, said)| {
            if tally.add(round, &outcome, said) {
                stop::count_failure();
            }
        });
        let Tally { passed, failed, .. } = tally;
        let (case, flaky) = (case.name(), tally.is_flaky());
        self.record.write(&Event::Repeated { case, passed, failed, flaky });
        tally.conclude()
    }

    /// Runs a case once and says what became of it, in the record, too.
    fn attempt(&self, case: &Arc<Case>, round: Round) -> (Outcome, Said) {
        let started = |pid| self.record.write(&Event::Started { case: case.name(), pid });
        let finished = self.runner.run(case, round, started);
        self.judge(case, round, finished, false)
    }

    /// Says what became of a case, in the record, too; there together with others if they follow at once.
    fn judge(
        &self,
        case: &Case,
        round: Round,
        mut finished: Finished,
        others_follow: bool,
    ) -> (Outcome, Said) {
        let name = case.name();
        if self.strict {
            finished.judge_strictly();
        }
        let outcome = &finished.outcome;
        // A lifecycle runs stress cases to learn from them.
        let informative = self.lifecycle.is_some() && case.markers.contains(&builtin::stress);
        let fails = outcome.fails_the_run() && !informative;
        let printed = finished.output.as_ref().filter(|output| !output.text.is_empty());
        let seed = case.needs.uses_seed().then_some(round.seed);
        let rerun = (!outcome.passed()).then(|| {
            self.target.rerun(name, seed, case.definition.settings.ignore.is_some(), self.strict)
        });
        let event = FinishedCase {
            case: name,
            round: (self.repetition.is_some()).then_some(round.number),
            outcome,
            duration_ms: finished.duration.as_secs_f64() * 1e3,
            seed: finished.seed,
            uses_seed: case.needs.uses_seed(),
            informative,
            output: printed,
            whole_output: finished.whole_output.as_deref(),
            traces: &finished.traces,
            kept: finished.kept.as_deref(),
            logs: &finished.logs,
            gpus: finished.gpus.as_ref(),
            rerun: rerun.as_ref(),
        };
        let text = fails.then(|| failure_text(&event));
        let standards = self.standards.iter();
        let missed = standards
            .flat_map(|all| all.of_case(case, outcome, finished.duration))
            .map(Event::Missed);
        let events: Vec<_> = iter::once(Event::Finished(event)).chain(missed).collect();
        if others_follow {
            self.record.write_with_next(&events);
        } else {
            self.record.write_all(&events);
        }
        let said = match (text, outcome) {
            (Some(text), _) => Err(Failed::from(text)),
            (None, Outcome::Passed | Outcome::XPassed { .. }) => Ok(Completion::Completed),
            (None, Outcome::Interrupted { .. }) => Ok(Completion::ignored_with("interrupted")),
            (None, Outcome::NotBegun { .. }) => Ok(Completion::ignored_with(outcome.headline())),
            (None, Outcome::Skipped { reason }) => Ok(Completion::ignored_with(reason)),
            (None, Outcome::XFailed { reason, .. }) => {
                Ok(Completion::ignored_with(format!("xfailed: {reason}")))
            }
            (None, Outcome::Quarantined { reason, .. }) => {
                Ok(Completion::ignored_with(format!("quarantined: {reason}")))
            }
            (None, outcome) => {
                let name = outcome.name();
                Ok(Completion::ignored_with(format!("{name}; a stress case only informs")))
            }
        };
        (finished.outcome, said)
    }

    /// Records the end and prints what libtest's own lines do not tell.
    pub(crate) fn finish(
        &self,
        conclusion: &Conclusion,
        duration: Duration,
        quiet: bool,
    ) -> ExitCode {
        self.runner.end();
        let ran = duration.saturating_sub(process_groups::suspended());
        for missed in self.standards.iter().flat_map(|standards| standards.of_run(ran)) {
            self.record.write(&Event::Missed(missed));
        }
        self.record.write(&Event::RunFinished {
            passed: conclusion.num_passed,
            failed: conclusion.num_failed,
            ignored: conclusion.num_ignored,
            filtered_out: conclusion.num_filtered_out,
            duration_ms: duration.as_secs_f64() * 1e3,
        });
        if !quiet {
            let mut text = self.record.take_summary().to_string();
            if conclusion.has_failed() {
                let record = self.record.folder().join("events.jsonl");
                text.push_str(&format!("record: {}\n", record.display()));
            }
            // Whoever closes the pipe early has seen enough.
            let _ = io::stdout().write_all(text.as_bytes());
        }
        exec::leave(match interrupt::told_to_stop() {
            Some(signal) => interrupt::exit_code(signal),
            None if conclusion.has_failed() || stop::time_was_short() => FAILED,
            None => 0,
        })
    }
}
