//! An etcd of three members: lost one by one, and gone with the run, whoever ends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use dynamo_test::prelude::*;

use crate::cleanup::{ANNOUNCE, processes, signal, wait_for};
use crate::fixture_crate::FixtureCrates;
use crate::services::SERVICES;
use crate::signals::state;

suite!(integration, premerge);

#[dynamo_test]
fn members_are_lost_one_by_one_and_come_back(crates: FixtureCrates) {
    // The members' sockets are in there.
    let long = crates.temp().join("a".repeat(150));
    fs::create_dir(&long).unwrap();
    let mut command = crates.command(SERVICES);
    let ran = FixtureCrates::finish(command.env("TMPDIR", &long).arg("cluster::"));
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(ran.passed().len(), 8, "{}", ran.stdout);
    assert_eq!(fs::read_dir(long).unwrap().count(), 0);
}

#[dynamo_test]
fn one_that_dies_by_itself_is_named_and_one_that_was_killed_is_not(crates: FixtureCrates) {
    let ran = crates.run(
        SERVICES,
        &["blame::of_members::a_member_", "blame::of_members::the_case_that_killed_a_member"],
    );
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    let died = ran.failure("blame::of_members::a_member_that_died_by_itself");
    assert!(
        died.starts_with("error: etcd-member-1 died while the case ran (signal: 9 (SIGKILL))"),
        "{died}"
    );
    let killed = ran.failure("blame::of_members::the_case_that_killed_a_member");
    assert!(
        killed.starts_with("failed: returned an error: the client did not survive it"),
        "{killed}"
    );
}

#[dynamo_test]
fn a_member_that_cannot_start_is_quoted_and_tried_once(crates: FixtureCrates) {
    let real = std::env::var("DYNAMO_TEST_ETCD").unwrap_or("etcd".into());
    let (stand_in, starts) = (crates.path("etcd"), crates.path("starts"));
    let text = format!(
        "#!/bin/sh\necho started >>{}\ncase \"$*\" in *'--name member-1 '*) echo the disk is full >&2; exit 3 ;; esac\nexec {real} \"$@\"\n",
        starts.display()
    );
    fs::write(&stand_in, text).unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = crates.command(SERVICES);
    command.env("DYNAMO_TEST_ETCD", &stand_in).args([
        "blame::of_members::a_member_",
        "cluster::every_member_",
        "--test-threads=1",
    ]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    for case in [
        "blame::of_members::a_member_that_died_by_itself",
        "cluster::every_member_serves_and_is_known_by_its_endpoint",
    ] {
        let shown = ran.failure(case);
        assert!(
            shown.starts_with("error: etcd-member-1 ended before it was ready (exit code 3)"),
            "{shown}"
        );
        assert!(shown.contains("    the disk is full"), "{shown}");
    }
    assert_eq!(fs::read_to_string(starts).unwrap().lines().count(), 3, "of three members, once");
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn where_there_are_no_processes_of_ours_the_case_is_skipped(crates: FixtureCrates) {
    let case = "cluster::every_member_serves_and_is_known_by_its_endpoint";
    let mut external = crates.command(SERVICES);
    external.env("DYNAMO_TEST_ETCD_ENDPOINTS", "http://127.0.0.1:1,http://127.0.0.1:2");
    let ran = FixtureCrates::finish(external.arg(case));
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let reason = ran.verdict(case);
    assert!(reason.contains("the one at 127.0.0.1:1 is somebody else's"), "{reason}");

    let ran = crates.run(SERVICES, &[case, "--services", "docker"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let reason = ran.verdict(case);
    assert!(reason.contains("a cluster of etcd can be had as processes alone"), "{reason}");
}

#[dynamo_test]
fn all_members_stand_still_with_the_run_and_go_with_its_supervisor(crates: FixtureCrates) {
    let announcement = crates.path("announcement");
    let mut run = crates
        .command(SERVICES)
        .arg("lasting::")
        .env(ANNOUNCE, &announcement)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the case announces itself", || announcement.exists());
    let of = |name: &str| -> Vec<u32> {
        let all = processes(&announcement).into_iter();
        all.filter(|(command, _)| command.contains(name)).map(|(_, pid)| pid).collect()
    };
    let members = of("--initial-cluster");
    assert_eq!(members.len(), 3);
    signal("TSTP", run.id());
    // The run does so last.
    wait_for("they stand still with the run", || {
        members.iter().chain([&run.id()]).all(|pid| state(*pid) == "T")
    });
    signal("CONT", run.id());
    wait_for("they go on", || members.iter().all(|pid| state(*pid) != "T"));
    signal("KILL", of("--dynamo-test-supervisor")[0]);
    wait_for("they go with the supervisor", || of("--initial-cluster").is_empty());
    signal("KILL", run.id());
    run.wait().unwrap();
    wait_for("no process is left", || processes(&announcement).is_empty());
    wait_for("no folder is left", || crates.leftovers().is_empty());
}
