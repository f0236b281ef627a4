//! cargo-nextest lists and runs the same cases, selected by the environment.

use std::collections::BTreeMap;
use std::process::Command;

use dynamo_test::prelude::*;
use serde_json::Value;

use crate::cleanup::wait_for;
use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, postmerge);

/// The command that has cargo-nextest list or run the fixture crate; skips the case where it is not installed.
pub(crate) fn command(crates: &FixtureCrates, what: &str) -> Command {
    let cargo = env!("CARGO");
    if crates.run(cargo, &["nextest", "--version"]).code != Some(0) {
        dynamo_test::skip!("cargo-nextest is not installed");
    }
    let mut command = crates.command(cargo);
    command.args(["nextest", what, "--color", "never"]);
    command.args(["--package", "acceptance", "--bin", "outcomes"]);
    command
}

/// What cargo-nextest called each case that it ran.
pub(crate) fn verdicts(ran: &Ran) -> BTreeMap<&str, &str> {
    let lines = ran.stderr.lines().filter_map(|line| {
        let (verdict, rest) = line.trim_start().split_once(" [")?;
        let (_, case) = rest.split_once(" acceptance::bin/outcomes ")?;
        Some((case, verdict.trim_end()))
    });
    lines.filter(|(_, verdict)| *verdict != "SLOW").collect()
}

/// The cases that cargo-nextest lists, and whether it takes each for ignored.
fn listed(command: &mut Command) -> BTreeMap<String, bool> {
    let ran = FixtureCrates::finish(command.args(["--message-format", "json"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    let cases = &list["rust-suites"]["acceptance::bin/outcomes"]["testcases"];
    let cases = cases.as_object().unwrap().iter();
    cases.map(|(name, case)| (name.clone(), case["ignored"].as_bool().unwrap())).collect()
}

#[dynamo_test]
fn what_is_deselected_is_not_listed_and_what_will_be_skipped_is_ignored(crates: FixtureCrates) {
    let mut all = command(&crates, "list");
    all.env("DYNAMO_TEST_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so");
    let listed_of_all = listed(&mut all);
    for (case, ignored) in [
        ("passes", false),
        ("ignored_with_a_reason", true),
        ("skipped_with_a_reason", true),
        ("needs_more_gpus_than_there_are", true),
        ("resources::sees_its_gpu", true),
        ("resources::nightly", false),
    ] {
        assert_eq!(listed_of_all.get(case), Some(&ignored), "{case}");
    }
    let mut selected = command(&crates, "list");
    let listed_of_selected = listed(selected.env("DYNAMO_TEST_LIFECYCLE", "premerge"));
    assert_eq!(listed_of_selected.get("resources::nightly"), None);
    assert_eq!(listed_of_selected.get("resources::has_services"), Some(&false));
    // Where such a case is to fail, it must be run.
    let mut required = command(&crates, "list");
    required.env("DYNAMO_TEST_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so");
    let listed_of_required = listed(required.env("DYNAMO_TEST_REQUIRE_GPUS", "1"));
    assert_eq!(listed_of_required.get("resources::sees_its_gpu"), Some(&false));
}

#[dynamo_test]
fn the_environment_selects_what_runs(crates: FixtureCrates) {
    let mut command = command(&crates, "run");
    command
        .env("DYNAMO_TEST_LIFECYCLE", "premerge")
        .args(["-E", "test(/^resources::(has|nightly)/)"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(verdicts(&ran), BTreeMap::from([("resources::has_services", "PASS")]));
    wait_for("no folder is left", || crates.leftovers().is_empty());
}

#[dynamo_test]
fn a_name_that_is_not_there_is_no_success(crates: FixtureCrates) {
    let mut command = crates.command(env!("CARGO_BIN_EXE_outcomes"));
    command.env("NEXTEST", "1").args(["--exact", "no_such_case", "--nocapture"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no case is named no_such_case"), "{}", ran.stderr);
}
