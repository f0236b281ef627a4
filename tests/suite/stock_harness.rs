//! A crate that did not set `harness = false` has the same cases.

use std::process::Command;

use dynamo_test::prelude::*;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, postmerge);

/// Runs the fixture crate under Rust's stock harness.
pub(crate) fn run(
    crates: &FixtureCrates,
    set: impl FnOnce(&mut Command),
    arguments: &[&str],
) -> Ran {
    let mut command = crates.command(env!("CARGO"));
    command.args([
        "test",
        "--quiet",
        "--package",
        "acceptance",
        "--test",
        "stock",
        "--",
        "--format=pretty",
    ]);
    set(command.args(arguments));
    FixtureCrates::finish(&mut command)
}

#[dynamo_test]
fn the_environment_selects_and_strict_refuses_to_pass_in_silence(crates: FixtureCrates) {
    let select = |command: &mut Command| {
        command.env("DYNAMO_TEST_LIFECYCLE", "premerge");
    };
    let ran = run(&crates, select, &["--exact", "resources::nightly", "skipped_with_a_reason"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("dynamo-test: resources::nightly is deselected: lifecycle premerge"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("dynamo-test: skipped_with_a_reason is skipped: issue 12 is open"));

    let strict = |command: &mut Command| {
        command.env("DYNAMO_TEST_LIFECYCLE", "premerge").env("DYNAMO_TEST_STRICT", "1");
    };
    let ran =
        run(&crates, strict, &["--exact", "resources::nightly", "skipped_with_a_reason", "passes"]);
    assert_eq!(ran.code, Some(101));
    assert_eq!(ran.verdict("resources::nightly"), "FAILED");
    assert_eq!(ran.verdict("skipped_with_a_reason"), "FAILED");
    assert_eq!(ran.verdict("passes"), "ok");
}

#[dynamo_test]
fn the_stock_harness_s_own_flags_deselect_nothing_here(crates: FixtureCrates) {
    let ran = run(&crates, |_| {}, &["--exact", "--test-threads", "2", "panics", "passes"]);
    assert_eq!(ran.code, Some(101));
    assert_eq!(ran.verdict("panics"), "FAILED");
    assert_eq!(ran.verdict("passes"), "ok");
}

#[dynamo_test]
fn a_wrong_selection_fails_every_case(crates: FixtureCrates) {
    let misspell = |command: &mut Command| {
        command.env("DYNAMO_TEST_LIFECYCLE", "nigthly");
    };
    let ran = run(&crates, misspell, &["--exact", "passes"]);
    assert_eq!(ran.code, Some(101));
    assert!(ran.stdout.contains("did you mean `nightly`?"), "{}", ran.stdout);
}
