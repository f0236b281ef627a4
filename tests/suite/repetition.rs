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
