//! Finding flakiness: order, repetition, seeds, and what failed before.

use dynamo_test::prelude::*;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const FLOW: &str = env!("CARGO_BIN_EXE_flow");

/// The arguments of the command that a failure says runs its case again.
fn rerun<'a>(ran: &'a Ran, case: &str) -> Vec<&'a str> {
    let (_, command) = ran.failure(case).split_once("rerun: cargo test ").unwrap();
    command.lines().next().unwrap().split_once(" -- ").unwrap().1.split(' ').collect()
}

#[dynamo_test]
fn a_failure_shows_its_seed_and_the_command_that_has_it_again(crates: FixtureCrates) {
    const CASE: &str = "seeded::fails_with_numbers";
    let numbers = |ran: &Ran| {
        let (_, rest) = ran.failure(CASE).split_once("numbers: ").unwrap();
        rest.lines().next().unwrap().to_owned()
    };
    let first = crates.run(FLOW, &["seeded"]);
    let shown = numbers(&first);
    let seed = shown.split(' ').next().unwrap();
    assert!(first.failure(CASE).lines().any(|line| line == format!("seed: {seed}")));
    assert!(!first.failure("seeded::fails_without").contains("seed: "));
    let again = crates.run(FLOW, &rerun(&first, CASE));
    assert_eq!(numbers(&again), shown);
    let other = crates.run(FLOW, &["seeded"]);
    assert_ne!(numbers(&other), shown);
}

/// The cases in the order in which they started, one after the other.
fn order(crates: &FixtureCrates, arguments: &[&str]) -> Vec<String> {
    let records = crates.path("order");
    let mut command = crates.command(FLOW);
    command.env("DYNAMO_TEST_DIR", &records).args(["--test-threads", "1"]).args(arguments);
    FixtureCrates::finish(&mut command);
    let run = std::fs::read_dir(records.join("runs")).unwrap().next().unwrap().unwrap().path();
    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    std::fs::remove_dir_all(records).unwrap();
    let started = |line: &str| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        (event["event"] == "started").then(|| event["case"].as_str().unwrap().to_owned())
    };
    events.lines().filter_map(started).collect()
}

#[dynamo_test]
fn a_shuffled_order_can_be_had_again(crates: FixtureCrates) {
    let by_name = order(&crates, &["steps"]);
    let shuffled = order(&crates, &["steps", "--shuffle", "7"]);
    assert_ne!(shuffled, by_name);
    assert_eq!(order(&crates, &["steps", "--shuffle=7"]), shuffled);
    let mut sorted = shuffled.clone();
    sorted.sort();
    assert_eq!(sorted, by_name, "each runs once");
    let some = order(&crates, &["steps::b", "steps::e", "steps::h", "--shuffle", "7"]);
    let among_all: Vec<&String> = shuffled.iter().filter(|case| some.contains(case)).collect();
    assert_eq!(some.iter().collect::<Vec<_>>(), among_all, "fewer cases keep their order");

    let ran = crates.run(FLOW, &["steps", "--shuffle"]);
    let (_, rest) = ran.stdout.split_once("shuffled: --shuffle ").unwrap();
    let seed = rest.split(' ').next().unwrap();
    let events = crates.events();
    assert_eq!(events[0]["shuffle"].to_string(), seed);
    assert_eq!(events[0]["seed"], events[0]["shuffle"]);
}

/// Runs the steps, of which some fail.
fn steps(crates: &FixtureCrates, failing: &str, arguments: &[&str]) -> Ran {
    let mut command = crates.command(FLOW);
    command.env("FLOW_FAILS", failing).args(arguments);
    FixtureCrates::finish(&mut command)
}

#[dynamo_test]
fn what_failed_last_runs_alone_or_first(crates: FixtureCrates) {
    steps(&crates, "steps::c steps::h", &["steps"]);
    assert_eq!(steps(&crates, "", &["--failed"]).passed(), ["steps::c", "steps::h"]);
    let nothing_left = steps(&crates, "", &["--failed"]);
    assert_eq!((nothing_left.code, nothing_left.passed().len()), (Some(0), 0));
    assert!(nothing_left.stdout.contains("was selected; --explain says why"));

    steps(&crates, "steps::c steps::h", &["steps"]);
    // A run of others says nothing of those two.
    steps(&crates, "", &["steps::a", "steps::b"]);
    let listed = steps(&crates, "", &["--failed", "--list"]);
    assert_eq!(listed.stdout, "steps::c: test\nsteps::h: test\n");
    let mut by_variable = crates.command(FLOW);
    by_variable.env("DYNAMO_TEST_FAILED", "1").args(["--list", "steps::h"]);
    assert_eq!(FixtureCrates::finish(&mut by_variable).stdout, "steps::h: test\n");
    let explained = steps(&crates, "", &["--failed", "--explain"]).stdout;
    for line in [
        "run         steps::h",
        "deselected  steps::a: --failed: it did not fail when it ran last",
        "deselected  endless::unit: --failed: no run of it is recorded",
    ] {
        assert!(explained.lines().any(|explained| explained == line), "{line}: {explained}");
    }
    let first = steps(&crates, "", &["steps", "--failed-first", "--test-threads", "1"]).stdout;
    let lines: Vec<&str> = first.lines().filter(|line| line.starts_with("test steps")).collect();
    assert!(lines[0].contains("steps::c") && lines[1].contains("steps::h"), "{first}");
    assert_eq!(lines.len(), 10);
}

#[dynamo_test]
fn without_an_earlier_run_nothing_is_known_to_have_failed_and_all_runs(crates: FixtureCrates) {
    let ran = steps(&crates, "", &["steps", "--failed"]);
    assert_eq!((ran.code, ran.passed().len()), (Some(0), 10));
    let shown = "dynamo-test: --failed: no earlier run of this target is recorded in ";
    assert!(ran.stderr.contains(shown), "{}", ran.stderr);
}

#[dynamo_test]
fn a_killed_run_leaves_what_had_failed_and_what_was_running(crates: FixtureCrates) {
    let mut command = crates.command(FLOW);
    command.env("FLOW_FAILS", "steps::a").args(["steps::a", "steps::b", "endless::unit"]);
    let mut run =
        command.args(["--shuffle", "1"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    let told = |event: &str, case: &str| {
        crates.events_so_far().iter().any(|told| told["event"] == event && told["case"] == case)
    };
    while !told("finished", "steps::a")
        || !told("finished", "steps::b")
        || !told("started", "endless::unit")
    {
        std::thread::yield_now();
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let listed = steps(&crates, "", &["--failed", "--list"]);
    assert_eq!(listed.stdout, "endless::unit: test\nsteps::a: test\n");
}

/// The events of a case's rounds, and of what they came to.
fn rounds(crates: &FixtureCrates, case: &str) -> (Vec<String>, serde_json::Value) {
    let events = crates.events();
    let of_case = |kind: &str| {
        let events = events.iter().filter(|event| event["case"] == case);
        events.filter(|event| event["event"] == kind).cloned().collect::<Vec<_>>()
    };
    let rounds = of_case("finished");
    let rounds = rounds.iter().map(|event| format!("{} {}", event["round"], event["outcome"]));
    (rounds.collect(), of_case("repeated").pop().unwrap())
}

#[dynamo_test]
fn what_fails_and_then_passes_is_flaky_and_fails_the_run(crates: FixtureCrates) {
    let mut command = crates.command(FLOW);
    command.env("FLOW_FOLDER", crates.path(".")).args(["flaky", "steps::a", "--repeat", "3"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!((ran.code, ran.passed()), (Some(101), vec!["steps::a"]), "{}", ran.stdout);
    let failure = ran.failure("flaky::fails_once");
    assert!(
        failure.starts_with("flaky: it failed 1 time and passed 2; in round 1:\n"),
        "{failure}"
    );
    assert!(failure.contains("the first time"), "{failure}");
    let summary = "flaky:\n    flaky::fails_once: failed 1 of 3 times\n";
    assert!(ran.stdout.contains(summary), "{}", ran.stdout);
    let (outcomes, repeated) = rounds(&crates, "flaky::fails_once");
    assert_eq!(outcomes, ["1 \"failed\"", "2 \"passed\"", "3 \"passed\""]);
    assert_eq!(repeated["flaky"], true);
    assert_eq!(rounds(&crates, "steps::a").1["passed"], 3);
}

#[dynamo_test]
fn cases_are_repeated_until_one_fails(crates: FixtureCrates) {
    let folder = crates.path("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("failed"), "").unwrap();
    let mut command = crates.command(FLOW);
    command.env("FLOW_FOLDER", &folder).args(["flaky", "steps::a", "--until-fail"]);
    let run = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let rounds_seen = || {
        let events = crates.events_so_far();
        events.iter().filter(|event| event["round"].as_u64().is_some_and(|round| round > 2)).count()
    };
    while rounds_seen() == 0 {
        std::thread::yield_now();
    }
    std::fs::remove_file(folder.join("failed")).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(101));
    let (outcomes, repeated) = rounds(&crates, "flaky::fails_once");
    assert_eq!((&repeated["failed"], &repeated["flaky"]), (&1.into(), &true.into()));
    assert!(
        outcomes.last().unwrap().ends_with("\"failed\""),
        "it began nothing more: {outcomes:?}"
    );
}

#[dynamo_test]
fn a_seed_of_any_round_has_its_failure_again(crates: FixtureCrates) {
    const CASE: &str = "seeded::fails_with_numbers";
    let mut numbers = std::collections::BTreeSet::new();
    crates.run(FLOW, &["--exact", CASE, "--repeat", "3", "--seed", "5"]);
    for event in crates.events().iter().filter(|event| event["event"] == "finished") {
        let seed = event["seed"].to_string();
        let rerun = event["rerun"].as_str().unwrap().split_once(" -- ").unwrap().1;
        let again = crates.run(FLOW, &rerun.split(' ').collect::<Vec<_>>());
        assert!(again.failure(CASE).contains(&format!("seed: {seed}\n")));
        numbers.insert(seed);
    }
    assert_eq!(numbers.len(), 3, "another in each round");
}
