//! A service that a project defines itself: redis, of the system's packages.

use std::fs;

use dynamo_test::prelude::*;

use super::{SERVICES, program};
use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

/// Where redis-server is; what needs it skips itself where it is nowhere. `.ci/run` sees to it that it is there.
fn redis_server() -> String {
    let found = std::process::Command::new("sh").args(["-c", "command -v redis-server"]).output();
    let path = String::from_utf8(found.unwrap().stdout).unwrap();
    if path.is_empty() {
        dynamo_test::skip!("no redis-server: apt-get install redis-server");
    }
    path.trim().into()
}

#[dynamo_test]
fn each_case_finds_it_wiped_and_to_itself(crates: FixtureCrates) {
    redis_server();
    for threads in ["1", "4"] {
        let ran = crates.run(SERVICES, &["own_service", "--test-threads", threads]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        assert_eq!(ran.passed().len(), 6);
    }
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn one_that_is_not_there_is_an_error_that_says_how_to_get_it(crates: FixtureCrates) {
    let mut command = crates.command(SERVICES);
    command.env("PATH", crates.path("no-programs")).arg("own_service::one");
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101));
    let shown = ran.failure("own_service::one");
    assert!(
        shown.contains("no redis-server found (looked in PATH and $DYNAMO_TEST_REDIS_SERVER)"),
        "{shown}"
    );
    assert!(shown.contains("apt-get install redis-server"), "{shown}");
}

#[dynamo_test]
fn one_that_never_becomes_ready_is_waited_for_once(crates: FixtureCrates) {
    let starts = crates.path("starts");
    let text = format!(
        "#!/bin/sh\necho started >>{}\necho loading >&2\nexec sleep 600\n",
        starts.display()
    );
    let path = program(&crates, &text, 0o755);
    let mut command = crates.command(SERVICES);
    command
        .env("DYNAMO_TEST_REDIS_SERVER", &path)
        .env("DYNAMO_TEST_SERVICE_TIMEOUT", "0.2")
        .args(["own_service", "--test-threads=1"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101));
    for case in ["own_service::one", "own_service::six"] {
        let shown = ran.failure(case);
        assert!(
            shown.contains("error: redis-server was not ready for use within 0.2 s"),
            "{shown}"
        );
        assert!(shown.contains("Connection refused"), "{shown}");
        assert!(shown.contains("    loading"), "{shown}");
    }
    assert_eq!(fs::read_to_string(starts).unwrap(), "started\n");
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn one_whose_port_is_taken_gets_another(crates: FixtureCrates) {
    let real = redis_server();
    // The first is refused its port, as by somebody who was faster.
    let taken = crates.path("taken");
    let text = format!(
        "#!/bin/sh\n[ -e {0} ] && exec {real} \"$@\"\ntouch {0}\necho bind: Address already in use >&2\nexit 1\n",
        taken.display()
    );
    let path = program(&crates, &text, 0o755);
    let mut command = crates.command(SERVICES);
    command.env("DYNAMO_TEST_REDIS_SERVER", &path).args(["own_service", "--test-threads=1"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(taken.exists());
}

#[dynamo_test]
fn one_that_ends_at_once_is_quoted(crates: FixtureCrates) {
    let path = program(&crates, "#!/bin/sh\necho the disk is full >&2\nexit 3\n", 0o755);
    let mut command = crates.command(SERVICES);
    command.env("DYNAMO_TEST_REDIS_SERVER", &path).arg("own_service::one");
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101));
    let shown = ran.failure("own_service::one");
    assert!(shown.contains("redis-server ended before it was ready (exit code 3)"), "{shown}");
    assert!(shown.contains("    the disk is full"), "{shown}");
}
