//! Whoever ends a run, and however: no process and no folder is left.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dynamo_test::prelude::*;

use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

/// What a fixture crate announces once its servers are up, it is in the middle of the case, and the case has a
/// folder.
pub(crate) const ANNOUNCE: &str = "ACCEPTANCE_ANNOUNCE";

/// How long a condition may take; a bound for a failure, never reached by a success.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until a condition holds.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The processes that inherited the announcement's path, which is unique to the test, by their command.
pub(crate) fn processes(announcement: &Path) -> HashMap<String, u32> {
    let variable = format!("{ANNOUNCE}={}", announcement.display());
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
        let inherited = environment.split(|byte| *byte == 0).any(|set| set == variable.as_bytes());
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        inherited.then_some((command.replace('\0', " "), pid))
    })
    .collect()
}

/// A run in the middle of a case that has servers and a folder and never ends.
pub(crate) fn start(crates: &FixtureCrates, arguments: &[&str]) -> (Child, PathBuf) {
    start_with(crates, |command| {
        command.args(arguments);
    })
}

/// The same, with its command changed before.
pub(crate) fn start_with(
    crates: &FixtureCrates,
    change: impl FnOnce(&mut Command),
) -> (Child, PathBuf) {
    let announcement = crates.path("announcement");
    let _ = fs::remove_file(&announcement);
    let mut command = crates.command(env!("CARGO_BIN_EXE_services"));
    change(&mut command);
    let run = command
        .arg("faults::the_test_hangs")
        .env(ANNOUNCE, &announcement)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the case announces itself", || {
        fs::read_to_string(&announcement).is_ok_and(|folder| Path::new(&folder).exists())
    });
    (run, announcement)
}

pub(crate) fn signal(name: &str, pid: u32) {
    let kill = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(kill.unwrap().success(), "kill -s {name} {pid}");
}

/// Sends a signal to all of a process group.
pub(crate) fn signal_group(name: &str, leader: u32) {
    let group = format!("-{leader}");
    let kill = Command::new("kill").args(["-s", name, "--", &group]).status();
    assert!(kill.unwrap().success(), "kill -s {name} -- {group}");
}

/// A program that is called cargo, and runs a test binary once for each of these arguments.
pub(crate) fn stand_in_for_cargo(
    crates: &FixtureCrates,
    binary: &str,
    arguments: &[&str],
) -> PathBuf {
    let folder = crates.path("stand-in");
    fs::create_dir(&folder).unwrap();
    let cargo = folder.join("cargo");
    let runs = arguments.iter().map(|arguments| format!("{binary} {arguments} || exit\n"));
    fs::write(&cargo, format!("#!/bin/sh\n{}", runs.collect::<String>())).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    cargo
}

#[dynamo_test]
fn a_case_that_is_alone_leaves_nothing_when_its_process_is_told_to_end_or_killed(
    crates: FixtureCrates,
) {
    for name in ["INT", "TERM", "HUP", "KILL"] {
        let (mut run, announcement) = start(&crates, &["--exact"]);
        signal(name, run.id());
        assert!(!run.wait().unwrap().success());
        wait_for(&format!("no process is left after {name}"), || {
            processes(&announcement).is_empty()
        });
        wait_for(&format!("no folder is left after {name}"), || crates.leftovers().is_empty());
    }
}

#[dynamo_test]
fn a_worker_that_is_killed_takes_down_its_case_alone(crates: FixtureCrates) {
    let (run, announcement) = start(&crates, &["wiped", "--test-threads=1"]);
    let processes_now = processes(&announcement);
    let worker = processes_now.iter().find(|(command, _)| command.contains("--dynamo-test-worker"));
    signal("KILL", *worker.expect("a worker runs the case").1);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(101));
    let events = crates.events();
    let finished: Vec<(&str, &str)> = events
        .iter()
        .filter(|event| event["event"] == "finished")
        .map(|event| (event["case"].as_str().unwrap(), event["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(finished[0], ("faults::the_test_hangs", "crashed"));
    assert_eq!(finished.len(), 9);
    assert!(finished[1..].iter().all(|(_, outcome)| *outcome == "passed"), "{finished:?}");
    wait_for("no process is left", || processes(&announcement).is_empty());
}

#[dynamo_test]
fn a_killed_run_leaves_a_readable_record(crates: FixtureCrates) {
    let (mut run, announcement) = start(&crates, &[]);
    signal("KILL", run.id());
    run.wait().unwrap();
    let events = crates.events();
    let last = events.last().unwrap();
    assert_eq!(
        (&last["event"], &last["case"]),
        (&"started".into(), &"faults::the_test_hangs".into())
    );
    wait_for("no process is left", || processes(&announcement).is_empty());
}
