//! The processes of a run share its servers; two runs share nothing; and none is left of a run that was killed.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use dynamo_test::prelude::*;

use super::{SERVICES, program, wrapped_server};
use crate::cleanup::{processes, signal, stand_in_for_cargo, start, start_with, wait_for};
use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

/// Has each start of nats-server leave a line in the file that is returned.
pub(super) fn count_starts(crates: &FixtureCrates, command: &mut Command) -> PathBuf {
    let real = std::env::var("DYNAMO_TEST_NATS_SERVER").unwrap_or("nats-server".into());
    let starts = crates.path("starts");
    let text = format!("#!/bin/sh\necho started >>{}\nexec {real} \"$@\"\n", starts.display());
    command.env("DYNAMO_TEST_NATS_SERVER", program(crates, &text, 0o755));
    starts
}

#[dynamo_test]
fn the_binaries_of_one_cargo_share_their_servers(crates: FixtureCrates) {
    let one_case =
        ["--exact wiped::one", "--test-threads=1 wiped own_fixture", "--exact wiped::two"];
    let mut cargo = crates.command(stand_in_for_cargo(&crates, SERVICES, &one_case));
    let starts = count_starts(&crates, &mut cargo);
    let ran = FixtureCrates::finish(&mut cargo);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(fs::read_to_string(starts).unwrap(), "started\n");
    wait_for("the folder goes with cargo", || crates.leftovers().is_empty());
}

#[dynamo_test]
fn a_reaper_that_was_killed_is_replaced(crates: FixtureCrates) {
    let (mut run, announcement) = start(&crates, &[]);
    let of = |name: &str| {
        let all = processes(&announcement);
        all.into_iter().find(|(command, _)| command.contains(name)).map(|(_, pid)| pid)
    };
    let first = of(" reaper ").expect("there is a reaper");
    signal("KILL", first);
    wait_for("there is another", || of(" reaper ").is_some_and(|pid| pid != first));
    signal("KILL", of("--dynamo-test-supervisor").expect("there is a supervisor"));
    wait_for("the servers go with the supervisor", || {
        of("nats-server").is_none() && of("etcd ").is_none()
    });
    signal("KILL", run.id());
    run.wait().unwrap();
    wait_for("no process is left", || processes(&announcement).is_empty());
    wait_for("no folder is left", || crates.leftovers().is_empty());
}

#[dynamo_test]
fn without_supervisor_and_reaper_the_kernel_kills_servers_and_the_next_run_what_these_left(
    crates: FixtureCrates,
) {
    let script = wrapped_server(&crates);
    let (mut run, announcement) = start_with(&crates, |command| {
        command.env("DYNAMO_TEST_NATS_SERVER", script);
    });
    let of = |name: &str| {
        let all = processes(&announcement);
        all.into_iter().find(|(command, _)| command.contains(name)).map(|(_, pid)| pid)
    };
    for name in ["--dynamo-test-supervisor", " reaper "] {
        signal("STOP", of(name).expect("there is one"));
    }
    for name in ["faults::the_test_hangs", " reaper ", "--dynamo-test-supervisor"] {
        signal("KILL", of(name).expect("there is one"));
    }
    run.wait().unwrap();
    wait_for("the kernel kills etcd", || of("etcd ").is_none());
    let ran = crates.run(SERVICES, &["--exact", "environment::names_nats_alone"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    wait_for("no process is left", || processes(&announcement).is_empty());
    wait_for("no folder is left", || crates.leftovers().is_empty());
}

#[dynamo_test]
fn ten_runs_at_once_keep_apart(crates: FixtureCrates) {
    let runs: Vec<_> = (0..10)
        .map(|_| {
            let mut command = crates.command(SERVICES);
            command.args(["wiped", "--test-threads=2"]).stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn the_folder_of_a_dead_run_is_swept_by_the_next(crates: FixtureCrates) {
    let dead = crates.temp().join("dynamo-test-run-1-1");
    fs::create_dir_all(dead.join("0.1.0.1-abcd/nats-server-0/jetstream")).unwrap();
    let other = crates.temp().join("dynamo-test-7-1");
    fs::create_dir(&other).unwrap();
    let ran = crates.run(SERVICES, &["--exact", "environment::names_nats_alone"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(crates.leftovers(), [other]);
}

#[dynamo_test]
fn a_folder_that_others_may_enter_is_refused(crates: FixtureCrates) {
    // The run's root knows its own pid and start time, which name the folder.
    let script = format!(
        "#!/bin/sh\nset -- $(cat /proc/$$/stat)\nmkdir -m 777 \"$TMPDIR/dynamo-test-run-$$-$(printf %x \"${{22}}\")\"\n{SERVICES} environment::names_nats_alone\n"
    );
    let path = program(&crates, &script, 0o755);
    let cargo = crates.path("cargo");
    fs::rename(path, &cargo).unwrap();
    let ran = FixtureCrates::finish(&mut crates.command(cargo));
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    let shown = ran.failure("environment::names_nats_alone");
    assert!(shown.contains("is no folder that only user"), "{shown}");
}

#[dynamo_test]
fn a_temporary_folder_of_any_length_will_do(crates: FixtureCrates) {
    let long = crates.temp().join("a".repeat(150));
    fs::create_dir(&long).unwrap();
    let mut command = crates.command(SERVICES);
    let ran = FixtureCrates::finish(command.env("TMPDIR", &long).args(["environment", "wiped"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(fs::read_dir(long).unwrap().count(), 0);
}
