//! cargo-nextest lists and runs the same cases, selected by the environment.

use dynamo_test::prelude::*;

use crate::cleanup::wait_for;
use crate::fixture_crate::FixtureCrates;

suite!(integration, postmerge);

#[dynamo_test]
fn cases_come_out_as_under_ours(crates: FixtureCrates) {
    let cargo = env!("CARGO");
    if crates.run(cargo, &["nextest", "--version"]).code != Some(0) {
        dynamo_test::skip!("cargo-nextest is not installed");
    }
    let mut command = crates.command(cargo);
    command
        .args(["nextest", "run", "--no-fail-fast", "--color", "never"])
        .args(["--package", "acceptance", "--test", "nextest"])
        .env("DYNAMO_TEST_LIFECYCLE", "premerge");
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(100), "{}", ran.stderr);
    let line = |verdict: &str, case: &str| {
        ran.stderr.lines().any(|line| {
            line.trim_start().starts_with(verdict)
                && line.ends_with(&format!("acceptance::nextest {case}"))
        })
    };
    for case in ["passes", "has_services"] {
        assert!(line("PASS", case), "{case}: {}", ran.stderr);
    }
    for case in ["fails", "exits_with_success"] {
        assert!(line("FAIL", case), "{case}: {}", ran.stderr);
    }
    assert!(ran.stderr.contains("4 tests run: 2 passed, 2 failed, 2 skipped"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the panic's message"));
    // The servers go once nextest has gone.
    wait_for("no folder is left", || crates.leftovers().is_empty());
}
