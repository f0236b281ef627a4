//! What is done to servers is in the record, and chance brings what its seed says.

mod cluster;

use dynamo_test::prelude::*;
use serde_json::{Value, json};

use crate::fixture_crate::FixtureCrates;
use crate::services::SERVICES;

suite!(integration, premerge);

/// What the cases of a run noted, in their order.
fn notes(crates: &FixtureCrates) -> Vec<Value> {
    let noted = crates.events().into_iter().filter(|event| event["event"] == "noted");
    noted.map(|mut event| event["note"].take()).collect()
}

#[dynamo_test]
fn the_record_tells_what_a_case_did_to_its_servers(crates: FixtureCrates) {
    let arguments = ["--exact", "nats::a_restart_keeps_the_address_and_jetstream_s_messages"];
    let ran = crates.run(SERVICES, &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let noted = notes(&crates);
    let server = noted[0]["server"].clone();
    assert!(server.as_str().is_some_and(|address| address.starts_with("127.0.0.1:")), "{server}");
    let expected = [("end", "restart"), ("fault", "stop"), ("end", "restart")];
    assert_eq!(noted, expected.map(|(what, which)| json!({ "server": server, what: which })));
}

#[dynamo_test]
fn chaos_of_the_same_seed_is_the_same(
    first: FixtureCrates,
    again: FixtureCrates,
    other: FixtureCrates,
) {
    let log = |crates: &FixtureCrates, seed: &str| -> Vec<Value> {
        let ran = crates.run(SERVICES, &["chaos::", "--seed", seed]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        notes(crates)
    };
    let faults = log(&first, "7");
    assert_eq!(faults.len(), 6, "{faults:?}");
    assert_eq!(faults, log(&again, "7"));
    assert_ne!(faults, log(&other, "8"));
}
