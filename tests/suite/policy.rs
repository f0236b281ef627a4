//! Cases that break a rule are named, all of them, before anything runs.

use dynamo_test::prelude::*;

use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

#[dynamo_test]
fn every_violation_is_listed_with_its_place_and_nothing_runs(crates: FixtureCrates) {
    for arguments in [&[][..], &["--list"], &["--explain"], &["keeps_every_rule"]] {
        let ran = crates.run(env!("CARGO_BIN_EXE_violations"), arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        for message in [
            "two_types: a case has one type, this one has integration and e2e",
            "integration_without_lifecycle: an integration case without a lifecycle would never run",
            "e2e_without_lifecycle: an e2e case without a lifecycle would never run",
            "benchmark_before_merge: a benchmark case does not belong to premerge",
            "stress_every_night: a stress case does not belong to nightly",
            "twice: another case has this name, at tests/fixtures/violations.rs:",
            "gpus_of_none: it takes `Gpus`, but needs none: say how many with `gpus = 1`",
            "an_h100_of_none: it bears `h100`, which says what its GPUs must be, but needs none",
            "suite::unit_in_an_integration_suite: a case has one type",
        ] {
            let line = ran.stderr.lines().find(|line| line.contains(message));
            let line = line.unwrap_or_else(|| panic!("{message}\nis not in\n{}", ran.stderr));
            assert!(line.trim_start().starts_with("tests/fixtures/violations.rs:"), "{line}");
        }
        assert_eq!(ran.stderr.lines().count(), 1 + 9, "{}", ran.stderr);
    }
}
