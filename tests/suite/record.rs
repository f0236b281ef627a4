//! The record of a run says what happened, also where nobody lived to finish it.

use dynamo_test::prelude::*;
use serde_json::Value;

use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

#[dynamo_test]
fn events_tell_the_run_from_its_start_to_its_end(crates: FixtureCrates) {
    crates.run(
        env!("CARGO_BIN_EXE_selection"),
        &["--lifecycle", "premerge", "-m", "integration", "--seed", "7"],
    );
    let events = crates.events();
    let first = &events[0];
    assert_eq!(first["event"], "run_started");
    assert_eq!(first["version"], 1);
    assert_eq!(first["lifecycle"], "premerge");
    assert_eq!(first["mark"], "integration");
    assert_eq!(first["seed"], 7);
    let decided: Vec<&Value> = events.iter().filter(|event| event["event"] == "decided").collect();
    assert_eq!(decided.len(), 16, "every case has its decision");
    let reasoned = |event: &&&Value| event["decision"] == "run" || event["reason"].is_string();
    assert!(decided.iter().all(|event| reasoned(&event) || event["decision"] == "ignored"));
    let finished = events.iter().find(|event| event["event"] == "finished").unwrap();
    assert_eq!(finished["outcome"], "passed");
    assert!(finished["duration_ms"].as_f64().is_some());
    let last = events.last().unwrap();
    assert_eq!(last["event"], "run_finished");
    assert_eq!((&last["passed"], &last["filtered_out"]), (&2.into(), &14.into()));
    assert!(events.iter().all(|event| event["time"].is_u64()));
}

#[dynamo_test]
fn a_run_that_cannot_be_recorded_runs_all_the_same(crates: FixtureCrates) {
    let mut command = crates.command(env!("CARGO_BIN_EXE_selection"));
    command.env("DYNAMO_TEST_DIR", "/dev/null/records").args(["lifecycles::unit"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.passed(), ["lifecycles::unit_always", "lifecycles::unit_nightly"]);
    assert!(ran.stderr.contains("the run is not recorded"), "{}", ran.stderr);
}

/// The folders of recorded runs.
fn recorded(crates: &FixtureCrates) -> usize {
    std::fs::read_dir(crates.records().join("runs")).map_or(0, Iterator::count)
}

#[dynamo_test]
fn old_runs_are_forgotten_but_never_one_that_goes_on(crates: FixtureCrates) {
    // The first run stands in the middle of a case until its standard input ends.
    let mut first = crates.command(env!("CARGO_BIN_EXE_outcomes"));
    first.args(["--exact", "reads_stdin_to_its_end"]).stdin(std::process::Stdio::piped());
    let mut first = first.stdout(std::process::Stdio::null()).spawn().unwrap();
    while recorded(&crates) == 0 {
        std::thread::yield_now();
    }
    let runs = crates.records().join("runs");
    let its_folder = std::fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    for _ in 0..55 {
        crates.run(env!("CARGO_BIN_EXE_selection"), &["no_such_name"]);
    }
    assert!(its_folder.exists());
    assert_eq!(recorded(&crates), 51);
    drop(first.stdin.take());
    assert!(first.wait().unwrap().success());
    crates.run(env!("CARGO_BIN_EXE_selection"), &["no_such_name"]);
    assert!(!its_folder.exists());
    assert_eq!(recorded(&crates), 50);
}

#[dynamo_test]
fn the_cases_of_a_nextest_run_share_a_folder(crates: FixtureCrates) {
    for case in ["lifecycles::unit_always", "lifecycles::unit_nightly"] {
        let mut command = crates.command(env!("CARGO_BIN_EXE_selection"));
        command.env("NEXTEST", "1").env("NEXTEST_RUN_ID", "1b2c").args(["--exact", case]);
        assert_eq!(FixtureCrates::finish(&mut command).code, Some(0));
    }
    assert_eq!(recorded(&crates), 1);
}

#[dynamo_test]
fn what_a_fixture_notes_is_in_the_record_whatever_becomes_of_the_case(crates: FixtureCrates) {
    let noted = |case: &str| {
        let events = crates.events();
        let noted =
            events.iter().position(|event| event["event"] == "noted" && event["case"] == case);
        let noted = noted.unwrap_or_else(|| panic!("{case} noted nothing: {events:?}"));
        assert_eq!(events[noted]["note"]["device"], "plugged in");
        let finished = |event: &Value| event["event"] == "finished" && event["case"] == case;
        assert!(events[noted..].iter().any(finished), "the note comes before the end");
    };
    let outcomes = env!("CARGO_BIN_EXE_outcomes");
    crates.run(outcomes, &["with_a_note", "after_a_note"]);
    noted("workers::aborts_after_a_note");
    noted("workers::passes_with_a_note");
    std::fs::remove_dir_all(crates.records()).unwrap();
    crates.run(outcomes, &["--exact", "workers::passes_with_a_note"]);
    noted("workers::passes_with_a_note");
}
