//! Short cases are handed to workers several at a time: that nobody notices.

use std::collections::BTreeMap;
use std::fs;

use dynamo_test::prelude::*;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const FLOW: &str = env!("CARGO_BIN_EXE_flow");

/// Runs cases in two workers; what they came to, and the names of those that ran, in their order.
fn run(crates: &FixtureCrates, cases: &[&str]) -> (Ran, Vec<String>) {
    let file = crates.path("ran");
    let mut command = crates.command(FLOW);
    command.env("FLOW_RAN", &file).args(["--test-threads", "2"]).args(cases);
    let ran = FixtureCrates::finish(&mut command);
    let names = fs::read_to_string(file).unwrap();
    (ran, names.lines().map(Into::into).collect())
}

#[dynamo_test]
fn each_case_runs_once_beside_those_that_end_their_worker(crates: FixtureCrates) {
    let cases =
        ["handed::a", "handed::b", "handed::c", "handed::d", "handed::e", "handed::f", "handed::g"];
    let (ran, names) = run(&crates, &cases);
    let mut once = names.clone();
    once.sort();
    once.dedup();
    assert_eq!((once.len(), names.len()), (53, 53), "{names:?}");
    assert_eq!(ran.code, Some(101));
    assert_eq!(ran.passed().len(), 51);
    for (case, how) in [("b_aborts", "crashed: "), ("f_fails", "failed: ")] {
        let failure = ran.failure(&format!("handed::{case}"));
        assert!(failure.starts_with(how), "{failure}");
        let printed =
            failure.lines().filter(|line| line.starts_with("printed by")).collect::<Vec<_>>();
        assert_eq!(printed, [format!("printed by {case}")], "only its own output is shown");
    }

    let mut started = BTreeMap::new();
    let mut finished = Vec::new();
    for event in crates.events() {
        let case = event["case"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("started") => assert_eq!(started.insert(case, event["pid"].as_u64()), None),
            Some("finished") => {
                assert!(started.contains_key(&case), "{case} had started");
                finished.push(case);
            }
            _ => {}
        }
    }
    finished.sort();
    assert_eq!(finished, started.keys().cloned().collect::<Vec<_>>());
}

#[dynamo_test]
fn what_is_behind_a_long_case_goes_elsewhere(crates: FixtureCrates) {
    let (ran, _) = run(&crates, &["handed::g", "handed::h", "handed::i"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
}

#[dynamo_test]
fn short_cases_go_on_while_another_holds_a_slot(crates: FixtureCrates) {
    let short = ["handed::a", "handed::c", "handed::e", "handed::g", "handed::i", "handed::z"];
    let (ran, _) = run(&crates, &short);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
}
