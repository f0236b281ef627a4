//! A run that stops before all have run says why, and what it knows.

use dynamo_test::prelude::*;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const FLOW: &str = env!("CARGO_BIN_EXE_flow");

/// Runs the steps one after the other, of which some fail.
fn steps(crates: &FixtureCrates, failing: &str, arguments: &[&str]) -> Ran {
    let mut command = crates.command(FLOW);
    command.env("FLOW_FAILS", failing).args(["steps", "--test-threads", "1"]).args(arguments);
    FixtureCrates::finish(&mut command)
}

#[dynamo_test]
fn a_run_has_so_much_time_and_still_reports(crates: FixtureCrates) {
    let time = ["--run-timeout", "1500 ms", "--test-threads", "2"];
    let ran = crates.run(FLOW, &[&["endless", "steps"], &time[..]].concat());
    assert_eq!(ran.code, Some(101));
    for case in ["endless::e2e", "endless::integration"] {
        let failure = ran.failure(case);
        assert!(
            failure.starts_with("timed out: the run's time (1s 500ms) was over\n"),
            "{failure}"
        );
        assert!(failure.contains("printed before it slept"), "{failure}");
        assert!(failure.contains("park"), "where it stood: {failure}");
    }
    let own = ran.failure("endless::by_attribute");
    assert!(own.starts_with("timed out: it did not end within 250ms\n"), "{own}");
    let not_begun = "not begun: the run's time (1s 500ms) was over";
    assert_eq!(ran.verdict("endless::unit"), format!("ignored ({not_begun})"));
    let summary = "not begun:\n    12 × the run's time (1s 500ms) was over\n";
    assert!(ran.stdout.contains(summary), "{}", ran.stdout);
    let events = crates.events();
    let reason = |case: &str| {
        let finished = events
            .iter()
            .find(|event| (&event["event"], &event["case"]) == (&"finished".into(), &case.into()));
        let event = finished.unwrap();
        (event["outcome"].as_str().unwrap().to_owned(), event["reason"].as_str())
    };
    let expected = "the run's time (1s 500ms) was over";
    assert_eq!(reason("steps::a"), ("not_begun".to_owned(), Some(expected)));
}

#[dynamo_test]
fn a_run_without_time_is_no_success(crates: FixtureCrates) {
    let ran = steps(&crates, "", &["--run-timeout", "1 ns"]);
    assert_eq!((ran.code, ran.passed().len()), (Some(101), 0), "{}", ran.stdout);
    let path = crates.path("short.toml");
    std::fs::write(&path, "[timeouts]\nrun = '1 ns'").unwrap();
    let by_file = ["--config", path.to_str().unwrap()];
    assert_eq!(steps(&crates, "", &by_file).code, Some(101));
    let by_flag = [&by_file[..], &["--run-timeout", "none"]].concat();
    assert_eq!(steps(&crates, "", &by_flag).code, Some(0));
}

#[dynamo_test]
fn nothing_more_begins_after_so_many_failures(crates: FixtureCrates) {
    let failing = "steps::b steps::d steps::f";
    for (arguments, passed, said) in [
        (&["--fail-fast"][..], &["steps::a"][..], "a case had failed"),
        (&["--max-fail", "1"], &["steps::a"], "a case had failed"),
        (&["--max-fail", "2"], &["steps::a", "steps::c"], "2 cases had failed"),
        (&["--max-fail=3"], &["steps::a", "steps::c", "steps::e"], "3 cases had failed"),
    ] {
        let ran = steps(&crates, failing, arguments);
        assert_eq!((ran.code, &*ran.passed()), (Some(101), passed), "{arguments:?}");
        assert_eq!(ran.verdict("steps::g"), format!("ignored (not begun: {said})"));
    }
    let mut command = crates.command(FLOW);
    command.env("FLOW_FAILS", failing).env("DYNAMO_TEST_MAX_FAIL", "2");
    let by_variable = FixtureCrates::finish(command.args(["steps", "--test-threads", "1"]));
    assert_eq!(by_variable.passed(), ["steps::a", "steps::c"]);
}

#[dynamo_test]
fn what_cannot_be_meant_is_refused(crates: FixtureCrates) {
    let refused = |arguments: &[&str], variables: &[(&str, &str)], shown: &str| {
        let mut command = crates.command(FLOW);
        command.arg("steps").args(arguments).envs(variables.iter().copied());
        let ran = FixtureCrates::finish(&mut command);
        assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{arguments:?} {variables:?}");
        assert!(ran.stderr.contains(shown), "{shown} is not in {}", ran.stderr);
    };
    for number in ["--max-fail", "--repeat"] {
        let shown = format!("invalid value '0' for '{number} <N>': it takes a number, 1 or more");
        refused(&[number, "0"], &[], &shown);
    }
    refused(
        &["--shuffle", "steps::a"],
        &[],
        "invalid value 'steps::a' for '--shuffle [<SEED>]': it takes a number; names of cases stand before it",
    );
    refused(&["--run-timeout", "5"], &[], "expected a time with its unit");
    let contradict = "cannot be used with";
    refused(&["--fail-fast", "--max-fail", "2"], &[], contradict);
    refused(&["--failed", "--failed-first"], &[], contradict);
    for (variable, value, shown) in [
        ("DYNAMO_TEST_MAX_FAIL", "0", "DYNAMO_TEST_MAX_FAIL=\"0\" is not a number, 1 or more"),
        ("DYNAMO_TEST_REPEAT", "often", "DYNAMO_TEST_REPEAT=\"often\" is not a number, 1 or more"),
        ("DYNAMO_TEST_SHUFFLE", "yes", "DYNAMO_TEST_SHUFFLE=\"yes\" is not a number, or random"),
        ("DYNAMO_TEST_FAILED", "maybe", "DYNAMO_TEST_FAILED=\"maybe\" is not 0 or 1"),
        ("DYNAMO_TEST_RUN_TIMEOUT", "soon", "\"soon\" is not a time with its unit"),
        ("DYNAMO_TEST_TIMEOUT", "5", "DYNAMO_TEST_TIMEOUT=\"5\" is not a time with its unit"),
    ] {
        refused(&[], &[(variable, value)], shown);
    }
    refused(
        &[],
        &[("DYNAMO_TEST_FAIL_FAST", "1"), ("DYNAMO_TEST_MAX_FAIL", "2")],
        "DYNAMO_TEST_FAIL_FAST and DYNAMO_TEST_MAX_FAIL contradict each other",
    );
    for (variable, shown) in [
        (
            "DYNAMO_TEST_SHUFFLE",
            "DYNAMO_TEST_SHUFFLE means nothing to cargo-nextest: the order is its own",
        ),
        ("DYNAMO_TEST_UNTIL_FAIL", "a case that passes would never end"),
        ("DYNAMO_TEST_MAX_FAIL", "it counts the failures itself"),
    ] {
        refused(&["--list"], &[("NEXTEST", "1"), (variable, "1")], shown);
    }
}
