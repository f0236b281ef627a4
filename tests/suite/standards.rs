//! A run says what took longer than it should.

use std::fs;

use dynamo_test::prelude::*;
use serde_json::Value;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

/// Runs a unit, an integration and an e2e case of the premerge and nightly lifecycles with this dynamo-test.toml.
fn run(crates: &FixtureCrates, toml: &str, lifecycle: &str) -> (Ran, Vec<Value>) {
    let config = crates.path("dynamo-test.toml");
    fs::write(&config, toml).unwrap();
    let _ = fs::remove_dir_all(crates.records());
    let arguments = ["lifecycles", "--lifecycle", lifecycle, "--config", config.to_str().unwrap()];
    let ran = crates.run(env!("CARGO_BIN_EXE_selection"), &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let missed = crates.events().into_iter().filter(|event| event["event"] == "missed");
    (ran, missed.collect())
}

const SAYS: &str = "took longer than they should";

#[dynamo_test]
fn each_standard_that_was_missed_is_told_and_recorded(crates: FixtureCrates) {
    let toml =
        "standards = { unit = '1 ns', integration = '1 ns', unit_cases = '1 ns', slow = '1 ns' }
        lifecycles = { nightly.budget = '1 ns' }";
    let (ran, missed) = run(&crates, toml, "nightly");
    let (_, told) = ran.stdout.split_once(SAYS).unwrap_or_else(|| panic!("{}", ran.stdout));
    for line in [
        "    2 unit cases, more than 1ns: lifecycles::unit_",
        "    2 integration cases, more than 1ns: lifecycles::integration_",
        "    6 cases not marked `slow`, more than 1ns: lifecycles::",
        "    all unit cases together, ",
        "    the run, ",
    ] {
        assert_eq!(told.matches(line).count(), 1, "{line} is not in {told}");
    }
    assert!(told.contains(", more than the 1ns of nightly\n"), "{told}");
    assert!(told.contains("), and 3 more\n"), "{told}");
    let of = |standard: &str| missed.iter().filter(|event| event["standard"] == standard).count();
    let kinds = ["unit", "integration", "slow", "unit_cases", "budget"];
    assert_eq!(kinds.map(of), [2, 2, 6, 1, 1], "{missed:?}");
    let event = &missed[0];
    assert!(event["took_ms"].as_f64() > event["limit_ms"].as_f64(), "{event}");
    assert!(event["case"].as_str().is_some_and(|case| case.starts_with("lifecycles::")));
}

#[dynamo_test]
fn what_is_within_its_standards_is_not_told(crates: FixtureCrates) {
    for limit in ["1 h", "none"] {
        let toml = format!(
            "standards = {{ unit = '{limit}', integration = '{limit}', unit_cases = '{limit}', slow = '{limit}' }}
            lifecycles = {{ premerge.budget = '{limit}', nightly.budget = '1 ns' }}"
        );
        let (ran, missed) = run(&crates, &toml, "premerge");
        assert!(!ran.stdout.contains(SAYS), "{}", ran.stdout);
        assert!(missed.is_empty(), "{missed:?}");
    }
}
