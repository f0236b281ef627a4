//! Cases in the process itself: a case that is alone, all in turn without capture, and all under a debugger.

use std::process::Command;

use dynamo_test::prelude::*;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const OUTCOMES: &str = env!("CARGO_BIN_EXE_outcomes");

/// The cases of the only run there was, each with its outcome and whether it ran in the run's own process.
fn finished(crates: &FixtureCrates) -> Vec<(String, String, bool)> {
    let events = crates.events();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let here = |case: &str| {
        let started =
            events.iter().find(|event| event["event"] == "started" && event["case"] == case);
        started.is_some_and(|event| event["pid"] == events[0]["pid"])
    };
    let finished = events.iter().filter(|event| event["event"] == "finished");
    finished
        .map(|event| (text(&event["case"]), text(&event["outcome"]), here(&text(&event["case"]))))
        .collect()
}

fn has(cases: &[(String, String, bool)], case: &str, outcome: &str, here: bool) {
    let found = cases.iter().find(|(name, ..)| name == case);
    assert_eq!(found, Some(&(case.into(), outcome.into(), here)));
}

#[dynamo_test]
fn alone_a_case_prints_where_it_runs(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &["--exact", "passes"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("printed by a case that passes"), "nothing is captured");
    has(&finished(&crates), "passes", "passed", true);
}

#[dynamo_test]
fn alone_a_case_that_ends_the_process_has_not_passed(crates: FixtureCrates) {
    let exits = crates.run(OUTCOMES, &["--exact", "exits_with_success"]);
    assert_eq!(exits.code, Some(101));
    let shown = exits.failure("exits_with_success");
    assert!(shown.starts_with("crashed: it ended the process before it was finished"), "{shown}");
    has(&finished(&crates), "exits_with_success", "crashed", true);
    let aborts = crates.run(OUTCOMES, &["--exact", "aborts"]);
    assert_eq!(aborts.code, None, "a signal ended it");
}

#[dynamo_test]
fn alone_a_case_that_never_ends_is_ended_with_all_it_started(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &["--exact", "deadlines::spins_in_a_thread_of_its_own"]);
    assert_eq!(ran.code, Some(101));
    assert!(ran.stderr.contains("outcomes::deadlines::spin_forever"), "{}", ran.stderr);
    has(&finished(&crates), "deadlines::spins_in_a_thread_of_its_own", "timed_out", true);
}

#[dynamo_test]
fn in_turn_what_follows_a_case_that_hangs_or_exits_has_its_result(crates: FixtureCrates) {
    // By name, the case that ends the process is followed by many, and so is the one that hangs.
    for (case, outcome, filters) in [
        ("exits_with_success", "crashed", ["closes_stdout", "exits_with_success", "returns"]),
        ("deadlines::hangs", "timed_out", ["closes_stdout", "deadlines::hangs", "returns"]),
        (
            "deadlines::ignores_termination",
            "timed_out",
            ["aside", "ignores_termination", "returns"],
        ),
    ] {
        let _ = std::fs::remove_dir_all(crates.records());
        let ran =
            crates.run(OUTCOMES, &[&["--no-capture", "--test-threads=1"], &filters[..]].concat());
        assert_eq!(ran.code, Some(101), "{}", ran.stderr);
        let cases = finished(&crates);
        has(&cases, case, outcome, true);
        has(&cases, "returns_ok", "passed", false);
        has(&cases, "returns_an_error", "failed", false);
    }
}

#[dynamo_test]
fn in_turn_a_case_finds_nothing_of_those_before_it(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &["--no-capture", "--test-threads=1", "isolation::"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let cases = finished(&crates);
    for case in [
        "changes_the_current_directory",
        "changes_the_environment",
        "has_no_other_case_s_environment",
    ] {
        has(&cases, &format!("isolation::{case}"), "passed", true);
    }
    for case in ["has_a_process_of_its_own", "has_its_environment_from_the_start"] {
        has(&cases, &format!("isolation::{case}"), "passed", false);
    }
    assert!(
        ran.stdout.contains("isolation::leaves_a_daemon: left child processes"),
        "{}",
        ran.stdout
    );
}

/// Has a fixture crate run under a tracer, which the kernel shows as it shows a debugger.
fn traced(crates: &FixtureCrates, arguments: &[&str]) -> Option<Ran> {
    Command::new("strace").arg("--version").output().ok()?;
    let mut command = crates.command("strace");
    let nothing = ["--seccomp-bpf", "-f", "-qqq", "-e", "trace=none", "-e", "signal=none"];
    command.args(nothing).arg(OUTCOMES).args(arguments);
    Some(FixtureCrates::finish(&mut command))
}

#[dynamo_test]
fn under_a_debugger_cases_run_where_it_is(crates: FixtureCrates) {
    let Some(ran) = traced(&crates, &["returns", "deadlines::hangs"]) else {
        dynamo_test::skip!("strace is not installed");
    };
    assert_eq!(ran.code, Some(101), "{}", ran.stderr);
    let cases = finished(&crates);
    has(&cases, "deadlines::hangs", "timed_out", true);
    has(&cases, "returns_ok", "passed", false);
}
