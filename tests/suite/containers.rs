//! NATS and etcd in containers, beyond the contract: an error that says what to do where they cannot be had, and what
//! nobody could remove.

mod engine;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use dynamo_test::prelude::*;

use crate::cleanup::{ANNOUNCE, processes, signal, wait_for};
use crate::contract::Backend;
use crate::fixture_crate::{FixtureCrates, Ran};
pub(crate) use engine::{Container, Engine};

suite!(integration, premerge);

/// Runs a command to its end, which leaves no container.
fn finish(engine: &Engine, command: &mut Command) -> Ran {
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = run.id();
    let ran = Ran::from(run.wait_with_output().unwrap());
    assert_eq!(engine.containers_of(pid), [], "{}", ran.stdout);
    ran
}

#[dynamo_test]
fn auto_comes_to_containers_where_no_program_is_found(crates: FixtureCrates, engine: Engine) {
    let mut command = crates.command(env!("CARGO_BIN_EXE_services"));
    command
        .args(["environment", "--test-threads=1"])
        .env("PATH", crates.path("no-programs"))
        .env_remove("DYNAMO_TEST_NATS_SERVER")
        .env("DYNAMO_TEST_NATS_IMAGE", &engine.nats);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("a container is there", || engine.containers_of(run.id()).len() == 1);
    assert!(run.wait().unwrap().success());
}

/// Runs a case that needs NATS, and one that needs nothing, which must not suffer; what is said of the former.
fn complaint(crates: &FixtureCrates, engine: &Engine, set: impl Fn(&mut Command)) -> String {
    let cases = ["environment::names_nats_alone", "environment::names_none"];
    let mut command = Backend::Docker(engine).command(crates, &cases);
    set(&mut command);
    let ran = finish(engine, &mut command);
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    assert_eq!(ran.passed(), ["environment::names_none"]);
    ran.failure("environment::names_nats_alone").into()
}

#[dynamo_test]
fn an_engine_that_does_not_answer_is_an_error_that_says_where_it_was_sought(
    crates: FixtureCrates,
    engine: Engine,
) {
    for address in ["unix:///no/such/docker.sock", "tcp://127.0.0.1:1"] {
        let shown = complaint(&crates, &engine, |command| {
            command.env("DOCKER_HOST", address);
        });
        let expected = format!("error: no Docker engine answers at {address} (");
        assert!(shown.starts_with(&expected), "{shown}");
        assert!(shown.contains("name another in $DOCKER_HOST"), "{shown}");
    }
}

#[dynamo_test]
fn a_socket_that_is_not_the_user_s_is_an_error_that_says_how_to_get_in(
    crates: FixtureCrates,
    engine: Engine,
) {
    if !rustix::process::geteuid().is_root() {
        dynamo_test::skip!("only root can become a user who may not use the engine");
    }
    /// Nobody's.
    const USER: u32 = 65_534;
    let home = crates.path("nobody");
    fs::create_dir(&home).unwrap();
    let above = home.ancestors().skip(1).take_while(|folder| *folder != std::env::temp_dir());
    for folder in above.chain([&*crates.temp(), &home]) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let shown = complaint(&crates, &engine, |command| {
        command.uid(USER).gid(USER).env("DYNAMO_TEST_DIR", &home).env("HOME", &home);
    });
    assert!(shown.contains("is not for this user to use (permission denied)"), "{shown}");
    assert!(shown.contains("usermod -aG docker"), "{shown}");
}

#[dynamo_test]
fn an_image_that_is_nowhere_is_an_error_that_names_it(crates: FixtureCrates, engine: Engine) {
    // No registry is ever asked for what is at this address.
    let image = "127.0.0.1:1/absent:1";
    let shown = complaint(&crates, &engine, |command| {
        command.env("DYNAMO_TEST_NATS_IMAGE", image);
    });
    let expected = format!("error: the engine has no image {image}, and none could be pulled (");
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(shown.contains("name another image in $DYNAMO_TEST_NATS_IMAGE"), "{shown}");
}

#[dynamo_test]
fn an_image_that_holds_another_program_is_an_error_that_quotes_the_engine(
    crates: FixtureCrates,
    engine: Engine,
) {
    let shown = complaint(&crates, &engine, |command| {
        command.env("DYNAMO_TEST_NATS_IMAGE", &engine.etcd);
    });
    let expected = format!("error: no container of {} could be started: ", engine.etcd);
    assert!(shown.starts_with(&expected), "{shown}");
    assert!(shown.contains("executable file not found"), "{shown}");
}

#[dynamo_test]
fn a_server_that_ends_at_once_is_quoted(crates: FixtureCrates, engine: Engine) {
    let shown = complaint(&crates, &engine, |command| {
        command.env("DYNAMO_TEST_NATS_IMAGE", &engine.nats_version);
    });
    assert!(shown.contains("ended before it was ready (exit code 0)"), "{shown}");
    assert!(shown.contains("    nats-server: v2"), "{shown}");
}

#[dynamo_test]
fn a_port_that_answers_for_nobody_is_no_server(crates: FixtureCrates, engine: Engine) {
    let shown = complaint(&crates, &engine, |command| {
        command.env("DYNAMO_TEST_NATS_IMAGE", &engine.nats_elsewhere);
        command.env("DYNAMO_TEST_SERVICE_TIMEOUT", "2");
    });
    assert!(shown.contains("was not ready for use within 2 s"), "{shown}");
    assert!(shown.contains("Server is ready"), "its last lines are quoted: {shown}");
}

/// A run in the middle of a case that has its servers in containers and never ends, and what it announced.
fn start(crates: &FixtureCrates, engine: &Engine, name: &str) -> (Child, PathBuf) {
    let announcement = crates.path(name);
    let run = Backend::Docker(engine)
        .command(crates, &["faults::the_test_hangs"])
        .env(ANNOUNCE, &announcement)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the case announces itself", || announcement.exists());
    assert_eq!(engine.containers_of(run.id()).len(), 2);
    (run, announcement)
}

fn nothing_is_left(engine: &Engine, run: u32, announcement: &Path) {
    wait_for("no container is left", || engine.containers_of(run).is_empty());
    wait_for("no process is left", || processes(announcement).is_empty());
}

#[dynamo_test]
fn what_nobody_could_remove_the_next_run_does_and_leaves_those_of_live_runs(
    crates: FixtureCrates,
    engine: Engine,
) {
    let (mut live, announced) = start(&crates, &engine, "live");
    let (mut dead, announcement) = start(&crates, &engine, "dead");
    let stale = engine.containers_of(dead.id());
    // It cannot have a reaper replaced meanwhile.
    signal("STOP", stale[0].owner);
    let all = processes(&announcement);
    for (_, pid) in all.iter().filter(|(command, _)| command.starts_with("/bin/sh")) {
        signal("KILL", *pid);
    }
    for pid in [stale[0].owner, dead.id()] {
        signal("KILL", pid);
    }
    dead.wait().unwrap();
    wait_for("all its processes are gone", || processes(&announcement).is_empty());

    let mut next = Backend::Docker(&engine).command(&crates, &["names_nats_alone"]);
    let next = finish(&engine, &mut next);
    assert_eq!(next.code, Some(0), "{}", next.stdout);
    wait_for("what the dead run left is gone", || engine.containers_of(dead.id()).is_empty());
    let alive = engine.containers_of(live.id());
    assert_eq!(alive.iter().filter(|container| container.is_running).count(), 2, "{alive:?}");
    signal("TERM", live.id());
    live.wait().unwrap();
    nothing_is_left(&engine, live.id(), &announced);
}
