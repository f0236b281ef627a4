//! The events of a run: one JSON object a line.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::exec::{GpuUse, Outcome, Output};
use crate::process::FoundLog;
use crate::standards::Missed;

/// The version of the events' form; it changes when a reader of the old form would misread the new.
pub(crate) const VERSION: u32 = 1;

/// Something that happened in a run.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event<'a> {
    /// The first line.
    RunStarted {
        version: u32,
        package: &'a str,
        /// `--lib`, `--test NAME`: the target of the package that runs.
        target: &'a str,
        pid: u32,
        arguments: &'a [String],
        #[serde(flatten)]
        selected: Selected<'a>,
        seed: u64,
        /// The number that gives the cases' order.
        #[serde(skip_serializing_if = "Option::is_none")]
        shuffle: Option<u64>,
        test_threads: usize,
    },
    /// What becomes of a case; one for each case, before any starts.
    Decided {
        case: &'a str,
        decision: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// A case's process took it on.
    Started { case: &'a str, pid: u32 },
    /// What a case's fixture added to the record.
    Noted { case: &'a str, note: &'a serde_json::Value },
    /// A case came to its end.
    Finished(FinishedCase<'a>),
    /// A case that was repeated had its last round. Flaky is what passed and failed.
    Repeated { case: &'a str, passed: u64, failed: u64, flaky: bool },
    /// A case, or the run, took longer than it should.
    Missed(Missed<'a>),
    /// The last line; a run that was killed has none.
    RunFinished { passed: u64, failed: u64, ignored: u64, filtered_out: u64, duration_ms: f64 },
}

impl Event<'_> {
    /// Adds the event as a line that begins with `head`, the opened object with its time.
    ///
    /// What every case has is laid out by hand: in an unoptimised build, serde would take longer than to run the case.
    pub(super) fn put_line(&self, head: &str, lines: &mut Vec<u8>) {
        lines.extend_from_slice(head.as_bytes());
        // Writing to a vector cannot fail.
        let _ = match self {
            Self::Decided { case, decision, reason: None } if is_plain(case) => {
                write!(lines, r#""event":"decided","case":"{case}","decision":"{decision}"}}"#)
            }
            Self::Started { case, pid } if is_plain(case) => {
                write!(lines, r#""event":"started","case":"{case}","pid":{pid}}}"#)
            }
            Self::Finished(finished) if finished.only_passed() && is_plain(finished.case) => {
                let FinishedCase { case, duration_ms, seed, .. } = finished;
                write!(
                    lines,
                    r#""event":"finished","case":"{case}","outcome":"passed","duration_ms":{duration_ms},"seed":{seed}}}"#
                )
            }
            // An event is plain data: it has no form that JSON lacks. Its time does not go in by serde's flattening,
            // which would buffer every field.
            _ => {
                let fields = serde_json::to_vec(self).unwrap_or_default();
                lines.write_all(fields.get(1..).unwrap_or_default())
            }
        };
        lines.push(b'\n');
    }
}

/// Whether JSON has a text as it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
}

/// What selected the cases.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Selected<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lifecycle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mark: Option<&'a str>,
}

/// A case that came to its end, with all that a report tells of it.
#[derive(Debug, Serialize)]
pub(crate) struct FinishedCase<'a> {
    pub(crate) case: &'a str,
    /// From 1, where cases are repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) round: Option<u32>,
    #[serde(flatten)]
    pub(crate) outcome: &'a Outcome,
    /// In milliseconds, fixtures included.
    pub(crate) duration_ms: f64,
    pub(crate) seed: u64,
    /// What it does depends on its seed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) uses_seed: bool,
    /// Its failure does not fail the run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) informative: bool,
    /// The end of what it printed, if it did not pass or was to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<&'a Output>,
    /// Where all that it printed is, if `output` is only its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) whole_output: Option<&'a Path>,
    /// What it left in its process: a changed environment, a child process, a thread.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub(crate) traces: &'a [String],
    /// The temporary folder it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kept: Option<&'a Path>,
    /// The logs of the processes that it started.
    #[serde(skip_serializing_if = "<[FoundLog]>::is_empty")]
    pub(crate) logs: &'a [FoundLog],
    /// What it did with the GPUs it asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gpus: Option<&'a GpuUse>,
    /// The command that runs it again, if it did not pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rerun: Option<&'a String>,
}

impl FinishedCase<'_> {
    /// Whether there is nothing to tell but that it passed.
    fn only_passed(&self) -> bool {
        let Self {
            case: _,
            round,
            outcome,
            duration_ms: _,
            seed: _,
            uses_seed,
            informative,
            output,
            whole_output,
            traces,
            kept,
            logs,
            gpus,
            rerun,
        } = self;
        outcome.passed()
            && round.is_none()
            && !uses_seed
            && !informative
            && output.is_none()
            && whole_output.is_none()
            && traces.is_empty()
            && kept.is_none()
            && logs.is_empty()
            && gpus.is_none()
            && rerun.is_none()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn what_is_laid_out_by_hand_is_what_serde_makes_of_it() {
        let finished = FinishedCase {
            case: "module::größe",
            round: None,
            outcome: &Outcome::Passed,
            duration_ms: 0.125,
            seed: u64::MAX,
            uses_seed: false,
            informative: false,
            output: None,
            whole_output: None,
            traces: &[],
            kept: None,
            logs: &[],
            gpus: None,
            rerun: None,
        };
        let events = [
            Event::Decided { case: "a::b", decision: "run", reason: None },
            Event::Decided { case: "a \"quoted\" name\\", decision: "run", reason: None },
            Event::Started { case: "a::b", pid: 7 },
            Event::Finished(finished),
        ];
        for event in events {
            let mut line = Vec::new();
            event.put_line("{\"time\":3,", &mut line);
            assert_eq!(line.pop(), Some(b'\n'));
            let by_hand: Value = serde_json::from_slice(&line).unwrap();
            let mut by_serde = serde_json::to_value(&event).unwrap();
            by_serde["time"] = 3.into();
            assert_eq!(by_hand, by_serde);
        }
    }
}
