//! What a run makes of the signals that it gets: it stops, stops at once, or stands still, with all that it started.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use dynamo_test::prelude::*;

use crate::cleanup::{ANNOUNCE, processes, signal, start, wait_for};
use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const PROCESSES: &str = env!("CARGO_BIN_EXE_processes");
const SERVICES: &str = env!("CARGO_BIN_EXE_services");

/// The ways in which a run may have its cases: in workers, in turn in its own process, and a single one in it.
const IN_WORKERS: &[&str] = &["--test-threads=1"];
const IN_TURN: &[&str] = &["--test-threads=1", "--no-capture"];
const ALONE: &[&str] = &["--exact"];

/// Starts a run, and waits until a case says that it has come so far.
fn started(crates: &FixtureCrates, command: &mut Command) -> (Child, PathBuf) {
    let announcement = crates.path("announcement");
    let _ = fs::remove_file(&announcement);
    command.env(ANNOUNCE, &announcement).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = command.spawn().unwrap();
    wait_for("the case announces itself", || announcement.exists());
    (run, announcement)
}

/// Waits for the end of a run that leaves nothing.
fn ended(crates: &FixtureCrates, run: Child, announcement: &Path) -> Ran {
    let ran = Ran::from(run.wait_with_output().unwrap());
    wait_for("no process is left", || processes(announcement).is_empty());
    wait_for("no folder is left", || crates.leftovers().is_empty());
    ran
}

#[dynamo_test]
fn told_to_stop_a_run_ends_what_runs_and_reports_what_it_knows(crates: FixtureCrates) {
    const HANGS: &str = "faults::the_test_hangs";
    let many = ["environment", HANGS, "wiped"];
    let (of_many, of_one) = ("3 passed; 0 failed; 9 ignored;", "0 passed; 0 failed; 1 ignored;");
    for (way, cases, name, code, counts) in [
        (IN_WORKERS, &many[..], "INT", 130, of_many),
        (IN_WORKERS, &many, "TERM", 143, of_many),
        (IN_WORKERS, &many, "HUP", 129, of_many),
        (IN_TURN, &many, "INT", 130, of_many),
        (ALONE, &[HANGS], "INT", 130, of_one),
        (ALONE, &[HANGS], "TERM", 143, of_one),
        (ALONE, &[HANGS], "HUP", 129, of_one),
    ] {
        let mut command = crates.command(SERVICES);
        let (run, announcement) = started(&crates, command.args(way).args(cases));
        signal(name, run.id());
        let Ran { code: ended_with, stdout, stderr } = ended(&crates, run, &announcement);
        assert_eq!(ended_with, Some(code), "{way:?} {name}: {stderr}");
        assert!(stdout.contains(counts), "{stdout}");
        let told = "the run was told to stop; ended or not begun:\n    faults::the_test_hangs\n";
        assert!(stdout.contains(told), "{stdout}");
    }
}

#[dynamo_test]
fn told_twice_a_run_ends_at_once_and_leaves_nothing(crates: FixtureCrates) {
    for way in [IN_WORKERS, IN_TURN, ALONE] {
        let mut command = crates.command(PROCESSES);
        let command = command.args(way).arg("tree::that_may_take_its_time");
        let (mut run, announcement) = started(&crates, command);
        signal("INT", run.id());
        let mut said = std::io::BufReader::new(run.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("once more stops at once") {
            line.clear();
            let read = std::io::BufRead::read_line(&mut said, &mut line).unwrap();
            assert_ne!(read, 0, "{way:?}: it was told to stop");
        }
        signal("INT", run.id());
        let ran = ended(&crates, run, &announcement);
        assert_eq!(ran.code, Some(130), "{way:?}");
        assert!(!ran.stdout.contains("test result"), "{way:?}: {}", ran.stdout);
    }
}

#[dynamo_test]
fn told_to_stop_no_case_waits_for_a_server(crates: FixtureCrates) {
    let server = crates.path("nats-server");
    let announcing = format!("#!/bin/sh\necho >\"${ANNOUNCE}\"\nexec sleep 600\n");
    fs::write(&server, announcing).unwrap();
    fs::set_permissions(&server, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for way in [IN_WORKERS, ALONE] {
        let mut command = crates.command(SERVICES);
        command.args(way).arg("environment::names_nats_alone");
        // It never becomes ready.
        command.env("DYNAMO_TEST_NATS_SERVER", &server).env("DYNAMO_TEST_SERVICE_TIMEOUT", "600");
        let (run, announcement) = started(&crates, &mut command);
        signal("INT", run.id());
        let ran = ended(&crates, run, &announcement);
        assert_eq!(ran.code, Some(130), "{way:?}: {}", ran.stderr);
        assert_eq!(ran.verdict("environment::names_nats_alone"), "ignored (interrupted)");
    }
}

#[dynamo_test]
fn a_case_that_handles_a_signal_gets_it(crates: FixtureCrates) {
    let mut command = crates.command(PROCESSES);
    let command = command.args(ALONE).arg("signals::one_from_outside_is_handled");
    let (run, announcement) = started(&crates, command);
    signal("INT", run.id());
    let ran = ended(&crates, run, &announcement);
    assert_eq!((ran.code, ran.passed().len()), (Some(0), 1), "{}", ran.stderr);
    for way in [IN_WORKERS, IN_TURN, ALONE] {
        let ran = crates.run(PROCESSES, &[way, &["signals::one_of_its_own_is_handled"]].concat());
        assert_eq!((ran.code, ran.passed().len()), (Some(0), 1), "{way:?}: {}", ran.stderr);
    }
}

#[dynamo_test]
fn a_run_started_by_nohup_outlives_its_terminal(crates: FixtureCrates) {
    let mut command = crates.command("nohup");
    let command = command.arg(PROCESSES).args(ALONE).arg("signals::one_from_outside_is_handled");
    let (run, announcement) = started(&crates, command.stdin(Stdio::null()));
    signal("HUP", run.id());
    signal("INT", run.id());
    assert_eq!(ended(&crates, run, &announcement).code, Some(0));
}

#[dynamo_test]
fn a_run_that_nobody_reads_ends_all_the_same(crates: FixtureCrates) {
    for way in [IN_WORKERS, ALONE] {
        let mut command = crates.command(PROCESSES);
        let command = command.args(way).arg("tree::of_a_case_that_hangs");
        let (mut run, announcement) = started(&crates, command);
        drop((run.stdout.take(), run.stderr.take()));
        signal("HUP", run.id());
        ended(&crates, run, &announcement);
    }
}

/// What `/proc` says of a process's state: `T` while it is stopped.
pub(crate) fn state(pid: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    after_name.chars().take(1).collect()
}

/// Suspends a run, waits until all stands still that is part of what runs, has it go on, and ends it.
fn suspend(crates: &FixtureCrates, run: Child, announcement: &Path) -> HashMap<String, u32> {
    let all = || {
        let mut all = processes(announcement);
        // These only wait.
        let wait = ["janitor", "reaper", "watchdog", "--dynamo-test-supervisor"];
        all.retain(|command, _| !wait.iter().any(|waiting| command.contains(waiting)));
        all
    };
    signal("TSTP", run.id());
    wait_for("all stand still", || all().values().all(|pid| state(*pid) == "T"));
    let stopped = all();
    signal("CONT", run.id());
    wait_for("all go on", || stopped.values().all(|pid| state(*pid) != "T"));
    signal("TERM", run.id());
    assert_eq!(ended(crates, run, announcement).code, Some(143));
    stopped
}

#[dynamo_test]
fn a_suspended_run_stands_still_with_its_servers(crates: FixtureCrates) {
    for way in [IN_WORKERS, ALONE] {
        let (run, announcement) = start(&crates, way);
        let stopped = suspend(&crates, run, &announcement);
        for server in ["nats-server", "etcd"] {
            assert!(stopped.keys().any(|command| command.contains(server)), "{stopped:?}");
        }
    }
}

#[dynamo_test]
fn a_suspended_run_stands_still_with_the_processes_of_its_cases(crates: FixtureCrates) {
    for way in [IN_WORKERS, ALONE] {
        let mut command = crates.command(PROCESSES);
        let command = command.args(way).arg("tree::of_a_case_that_waits");
        let (run, announcement) = started(&crates, command);
        let sleeping = |all: &HashMap<String, u32>| {
            all.keys().filter(|command| command.starts_with("sleep 60")).count()
        };
        wait_for("the tree stands", || sleeping(&processes(&announcement)) == 3);
        let stopped = suspend(&crates, run, &announcement);
        assert_eq!(sleeping(&stopped), 3, "{stopped:?}");
    }
}

#[dynamo_test]
fn no_deadline_passes_while_a_run_is_suspended(crates: FixtureCrates) {
    let go_on = crates.path("go-on");
    let runs = [IN_WORKERS, ALONE].map(|way| {
        let mut command = crates.command(PROCESSES);
        let command = command.args(way).arg("signals::it_stands_still_for_longer_than_it_has");
        let (run, _) = started(&crates, command.env("ACCEPTANCE_GO_ON", &go_on));
        signal("TSTP", run.id());
        wait_for("it stands still", || state(run.id()) == "T");
        (way, run)
    });
    // Not a wait for anything: this is what must not count.
    std::thread::sleep(Duration::from_millis(3_100));
    fs::write(&go_on, "").unwrap();
    for (_, run) in &runs {
        signal("CONT", run.id());
    }
    for (way, run) in runs {
        let ran = Ran::from(run.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(0), "{way:?}: {}", ran.stdout);
    }
}
