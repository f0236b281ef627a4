//! Servers that are disturbed: what clients see of it, and that nobody else does.

mod cluster;

use dynamo_test::prelude::*;

use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

const FAULTS: &str = env!("CARGO_BIN_EXE_faults");

#[dynamo_test]
fn each_fault_is_to_a_client_what_the_docs_say(crates: FixtureCrates) {
    let ran = crates.run(FAULTS, &["nats::", "etcd::"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(ran.passed().len(), 12, "{}", ran.stdout);
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn a_case_that_disturbed_its_server_is_to_blame_itself(crates: FixtureCrates) {
    let ran = crates.run(FAULTS, &["blame::"]);
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    for case in ["killed", "cut_off", "paused"] {
        let shown = ran.failure(&format!("blame::the_case_that_{case}_its_server"));
        assert!(
            shown.starts_with("failed: returned an error: the client did not survive it"),
            "{shown}"
        );
        assert!(!shown.contains("died"), "{shown}");
    }
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn chaos_of_the_same_seed_is_the_same(
    first: FixtureCrates,
    again: FixtureCrates,
    other: FixtureCrates,
) {
    let log = |crates: &FixtureCrates, seed: &str| -> Vec<serde_json::Value> {
        let ran = crates.run(FAULTS, &["chaos::", "--seed", seed]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        let events = crates.events();
        events
            .into_iter()
            .filter(|event| event["event"] == "noted")
            .map(|mut event| event["note"].take())
            .collect()
    };
    let faults = log(&first, "7");
    assert_eq!(faults.len(), 6, "{faults:?}");
    assert_eq!(faults, log(&again, "7"));
    assert_ne!(faults, log(&other, "8"));
}
