//! What a project's dynamo-test.toml says holds, unless somebody who is nearer to the case says otherwise.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use dynamo_test::prelude::*;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const FLOW: &str = env!("CARGO_BIN_EXE_flow");

/// A package in a workspace whose dynamo-test.toml has this text, and the command that runs its cases there.
fn in_workspace(crates: &FixtureCrates, toml: &str) -> (Command, PathBuf) {
    let workspace = crates.path("workspace");
    let package = workspace.join("crates").join("package");
    fs::create_dir_all(&package).unwrap();
    let file = workspace.join("dynamo-test.toml");
    fs::write(&file, toml).unwrap();
    let mut command = crates.command(FLOW);
    command.current_dir(&package).env("CARGO_MANIFEST_DIR", &package);
    (command, file)
}

fn timed_out_within<'a>(ran: &'a Ran, case: &str) -> &'a str {
    let rest = ran.failure(case).split_once("it did not end within ").unwrap().1;
    rest.lines().next().unwrap()
}

const SHORT: &str = r#"
[timeouts]
unit = "101 ms"
integration = "102 ms"
e2e = "103 ms"
slow = "104 ms"
"#;

#[dynamo_test]
fn a_case_has_the_time_of_its_type_unless_it_is_slow(crates: FixtureCrates) {
    let ran = FixtureCrates::finish(in_workspace(&crates, SHORT).0.arg("endless"));
    for (case, limit) in [
        ("endless::unit", "101ms"),
        ("endless::integration", "102ms"),
        ("endless::e2e", "103ms"),
        ("endless::slow_unit", "104ms"),
        ("endless::by_attribute", "250ms"),
    ] {
        assert_eq!(timed_out_within(&ran, case), limit, "{case}");
    }
    assert!(ran.failure("endless::unit").contains("printed before it slept"));
}

#[dynamo_test]
fn a_flag_wins_over_the_variable_and_that_over_the_file(crates: FixtureCrates) {
    let (mut command, _) = in_workspace(&crates, SHORT);
    command.env("DYNAMO_TEST_TIMEOUT", "111 ms").args(["--exact", "endless::unit"]);
    let by_variable = FixtureCrates::finish(&mut command);
    assert_eq!(timed_out_within(&by_variable, "endless::unit"), "111ms");
    let by_flag = FixtureCrates::finish(command.args(["--timeout", "121 ms"]));
    assert_eq!(timed_out_within(&by_flag, "endless::unit"), "121ms");
}

#[dynamo_test]
fn a_file_is_found_from_the_package_upwards_or_by_its_name(crates: FixtureCrates) {
    let other = crates.path("other.toml");
    fs::write(&other, "[timeouts]\nunit = '131 ms'").unwrap();
    let unit = ["--exact", "endless::unit"];
    let (mut command, _) = in_workspace(&crates, SHORT);
    // Started by hand, without cargo's variables.
    let by_hand = FixtureCrates::finish(command.env_remove("CARGO_MANIFEST_DIR").args(unit));
    assert_eq!(timed_out_within(&by_hand, "endless::unit"), "101ms");
    let by_variable = FixtureCrates::finish(command.env("DYNAMO_TEST_CONFIG", &other));
    assert_eq!(timed_out_within(&by_variable, "endless::unit"), "131ms");
    command.env("DYNAMO_TEST_CONFIG", "/no/such/file").arg("--config").arg(&other);
    let by_flag = FixtureCrates::finish(&mut command);
    assert_eq!(timed_out_within(&by_flag, "endless::unit"), "131ms");
}

#[dynamo_test]
fn a_mistake_in_the_file_is_shown_with_its_place(crates: FixtureCrates) {
    let refused = |toml: &str, line: u32, shown: &str| {
        let (mut command, file) = in_workspace(&crates, toml);
        let ran = FixtureCrates::finish(command.arg("no_such_case"));
        assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{toml}");
        let expected = format!("error: {}:{line}: {shown}\n", file.display());
        assert_eq!(ran.stderr, expected, "{toml}");
    };
    refused(
        "[timeouts]\n  units = \"5 s\"",
        2,
        "no key `units`\n    units = \"5 s\"\n    ^^^^^ did you mean `unit`?",
    );
    refused(
        "# Seconds.\n[timeout]\n",
        2,
        "no key `timeout`\n  [timeout]\n   ^^^^^^^ did you mean `timeouts`?",
    );
    refused(
        "[gpus]\nxyz = 1",
        2,
        "no key `xyz`\n  xyz = 1\n  ^^^ there are residents, reserve_after",
    );
    refused(
        "[timeouts]\nunit = 5",
        2,
        "expected a time with its unit, as in \"90 s\" or \"5 min\", or \"none\"\n  unit = 5\n         ^",
    );
    refused(
        "gpus.reserve_after = \"0 s\"",
        1,
        "expected a time with its unit, as in \"90 s\" or \"5 min\"\n  gpus.reserve_after = \"0 s\"\n                       ^^^^^",
    );
    refused(
        "[gpus]\nresidents = 0",
        2,
        "expected a number, 1 or more\n  residents = 0\n              ^",
    );
    refused("gpus = 2", 1, "invalid type: integer `2`, expected a section\n  gpus = 2\n         ^");
    refused(
        "[gpus]\nresidents 2",
        2,
        "key with no value, expected `=`\n  residents 2\n            ^",
    );
}

#[dynamo_test]
fn a_file_that_was_named_and_cannot_be_read_is_an_error(crates: FixtureCrates) {
    let ran = crates.run(FLOW, &["--config", "/no/such/file"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("/no/such/file cannot be read: No such file"), "{}", ran.stderr);
}

#[dynamo_test]
fn a_list_needs_no_configuration(crates: FixtureCrates) {
    let ran = crates.run(FLOW, &["--list", "--config", "/no/such/file"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}
