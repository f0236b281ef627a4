//! Servers that are configured as cases say.

use std::fs;

use dynamo_test::prelude::*;

use super::{SERVICES, runs};
use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

#[dynamo_test]
fn each_case_finds_the_server_that_it_asked_for(crates: FixtureCrates) {
    let mut command = crates.command(SERVICES);
    command.env("NATS_AUTH_USERNAME", "ambient").env("NATS_AUTH_TOKEN", "ambient").args([
        "configured::",
        "--skip",
        "wrongly",
        "--test-threads=2",
    ]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!((ran.code, ran.passed().len()), (Some(0), 11), "{}", ran.stdout);
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn a_configuration_that_is_wrong_is_an_error_in_the_server_s_own_words(crates: FixtureCrates) {
    let mut command = crates.command(SERVICES);
    let starts = runs::count_starts(&crates, &mut command);
    let ran = FixtureCrates::finish(command.args(["wrongly", "--test-threads=1"]));
    assert_eq!((ran.code, ran.passed().len()), (Some(101), 0), "{}", ran.stdout);
    for case in ["nats_once", "nats_twice", "nats_shared"] {
        let shown = ran.failure(&format!("configured::wrongly::{case}"));
        assert!(shown.starts_with("error: nats-server ended before it was ready"), "{shown}");
        assert!(shown.contains("Misspelt.conf:2:1: unknown field \"max_paylod\""), "{shown}");
    }
    let shown = ran.failure("configured::wrongly::etcd");
    assert!(shown.starts_with("error: etcd ended before it was ready"), "{shown}");
    assert!(shown.contains("quota-backend-byte"), "{shown}");
    // The second case that would meet the same server does not try again.
    assert_eq!(fs::read_to_string(starts).unwrap(), "started\n".repeat(2));
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}
