//! All that a run prints, as a person sees it. Each run has its file in `snapshots/`; `UPDATE_SNAPSHOTS=1` in the
//! environment of the suite writes them anew, for whoever changes what is printed to look at and commit.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use dynamo_test::prelude::*;

use crate::cleanup::{signal, wait_for};
use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const FLOW: &str = env!("CARGO_BIN_EXE_flow");
const OUTCOMES: &str = env!("CARGO_BIN_EXE_outcomes");
const SELECTION: &str = env!("CARGO_BIN_EXE_selection");

/// The command that runs cases one after the other, and finds the machine and its time the same each time.
fn command(crates: &FixtureCrates, program: &str, arguments: &[&str]) -> Command {
    let config = crates.path("dynamo-test.toml");
    let standards = "standards = { unit = 'none', integration = 'none', unit_cases = 'none' }";
    fs::write(&config, standards).unwrap();
    let mut command = crates.command(program);
    command.args(arguments).args(["--test-threads=1", "--seed=1"]);
    command.env("DYNAMO_TEST_CONFIG", config);
    command.env("DYNAMO_TEST_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so");
    command
}

/// Holds what a run printed against its file.
fn check(name: &str, ran: &Ran) {
    let Ran { code, stdout, stderr } = ran;
    let code = code.map_or("none".into(), |code| code.to_string());
    let shown = normalised(&format!("{stdout}\n[stderr]\n{stderr}\n[exit code: {code}]\n"));
    let path = format!("{}/suite/snapshots/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    let path = Path::new(&path);
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(path, &shown).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(
        shown == expected,
        "{name} is printed otherwise than {} says (UPDATE_SNAPSHOTS=1 writes it anew):\n{}",
        path.display(),
        difference(&expected, &shown)
    );
}

/// The lines between the first and the last that differ: those that are missing, then those that are new.
fn difference(expected: &str, shown: &str) -> String {
    let (expected, shown): (Vec<_>, Vec<_>) = (expected.lines().collect(), shown.lines().collect());
    let same = expected.iter().zip(&shown).take_while(|(one, other)| one == other).count();
    let (expected, shown) = (&expected[same..], &shown[same..]);
    let pairs = expected.iter().rev().zip(shown.iter().rev());
    let same_end = pairs.take_while(|(one, other)| one == other).count();
    let mut text = format!("from line {}:\n", same + 1);
    for (sign, lines) in [('-', expected), ('+', shown)] {
        for line in &lines[..lines.len() - same_end] {
            let _ = writeln!(text, "{sign} {line}");
        }
    }
    text
}

/// Puts a word for what differs from run to run, or when a fixture crate is edited.
fn normalised(text: &str) -> String {
    let mut lines = Vec::new();
    let mut in_backtrace = false;
    // Said of the first panic of each process, and so of more where a worker was replaced.
    let is_advice = |line: &&str| line.starts_with("note: run with `RUST_BACKTRACE=1`");
    for line in text.lines().filter(|line| !is_advice(line)) {
        let is_frame = line.starts_with("  ") && in_backtrace;
        in_backtrace = is_frame || line.ends_with("stands here:");
        if !is_frame {
            lines.push(normalised_line(line));
        } else if lines.last().is_some_and(|last| last != "[frames]") {
            lines.push("[frames]".into());
        }
    }
    lines.join("\n") + "\n"
}

fn normalised_line(line: &str) -> String {
    let rules = [
        ("; finished in ", "", "[time]"),
        ("(pid ", ")", "[pid]"),
        ("' (", ") panicked at", "[id]"),
        (" (", ") stands here:", "[id]"),
        ("measured; ", " filtered out", "[others]"),
        ("kept: ", "", "[folder]"),
        ("record: ", "", "[file]"),
        (".rs:", ": ", "[place]"),
        (".rs:", ":", "[place]"),
    ];
    let mut line = line.to_owned();
    for (before, after, word) in rules {
        let Some(start) = line.find(before).map(|start| start + before.len()) else { continue };
        let length =
            if after.is_empty() { Some(line.len() - start) } else { line[start..].rfind(after) };
        if let Some(length) = length {
            line.replace_range(start..start + length, word);
        }
    }
    line
}

#[dynamo_test]
fn of_every_outcome(crates: FixtureCrates) {
    let cases = [
        "aborts",
        "crashes::is_killed",
        "deadlines::hangs",
        "does_not_panic_though_it_should",
        "exits_with_a_code",
        "expectations::fails_after_quarantine",
        "expectations::fails_as_expected",
        "expectations::fails_in_quarantine",
        "expectations::may_pass",
        "expectations::passes_unexpectedly",
        "expectations::skips_itself",
        "has_a_broken_fixture",
        "ignored_with_a_reason",
        "isolation::changes_the_environment",
        "isolation::leaves_a_child_process",
        "isolation::leaves_a_thread",
        "keeps_its_temp_dir",
        "knows_itself",
        "needs_more_gpus_than_there_are",
        "panics",
        "panics_before_teardown",
        "panics_with_another_message",
        "passes",
        "passes_but_teardown_fails",
        "returns_an_error",
        "skipped_with_a_reason",
        "stray_panics::in_a_thread",
    ];
    let mut command = command(&crates, OUTCOMES, &["--exact"]);
    check("outcomes", &FixtureCrates::finish(command.args(cases)));
}

#[dynamo_test]
fn of_a_case_that_is_flaky(crates: FixtureCrates) {
    let mut command = command(&crates, FLOW, &["flaky", "--repeat", "3"]);
    check("flaky", &FixtureCrates::finish(command.env("FLOW_FOLDER", crates.path(""))));
}

#[dynamo_test]
fn of_a_run_in_which_enough_has_failed(crates: FixtureCrates) {
    let mut command = command(&crates, FLOW, &["steps", "--max-fail", "2"]);
    check("max-fail", &FixtureCrates::finish(command.env("FLOW_FAILS", "steps::b steps::d")));
}

#[dynamo_test]
fn of_a_run_that_was_told_to_stop(crates: FixtureCrates) {
    let mut command = command(&crates, FLOW, &["endless::slow_unit", "steps"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for("the case that never ends begins", || {
        crates.events_so_far().iter().any(|event| event["event"] == "started")
    });
    signal("INT", run.id());
    check("interrupted", &run.wait_with_output().unwrap().into());
}

#[dynamo_test]
fn of_a_run_that_selects_nothing(crates: FixtureCrates) {
    let mut command = command(&crates, SELECTION, &["-m", "h100"]);
    check("nothing-selected", &FixtureCrates::finish(&mut command));
}

#[dynamo_test]
fn of_a_run_that_goes_well_and_shows_it(crates: FixtureCrates) {
    let arguments = ["--exact", "passes", "returns_ok", "--show-output", "--shuffle", "7"];
    let mut command = command(&crates, OUTCOMES, &arguments);
    check("successes", &FixtureCrates::finish(&mut command));
}

#[dynamo_test]
fn of_a_lifecycle_whose_stress_case_fails(crates: FixtureCrates) {
    let mut command = command(&crates, FLOW, &["stress", "--lifecycle", "release"]);
    check("informative", &FixtureCrates::finish(&mut command));
}
