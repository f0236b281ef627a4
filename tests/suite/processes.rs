//! Processes of the user's own: ready when they are said to be, missed when they die, and ended with all they started.

use std::fs;
use std::process::{Command, Stdio};

use dynamo_test::prelude::*;

use crate::cleanup::{ANNOUNCE, processes, signal, wait_for};
use crate::fixture_crate::{FixtureCrates, Ran};
use crate::stock_harness;

suite!(integration, premerge);

const PROCESSES: &str = env!("CARGO_BIN_EXE_processes");

#[dynamo_test]
fn they_are_started_waited_for_and_talked_to(crates: FixtureCrates) {
    let ran = crates.run(PROCESSES, &["ready", "use_", "wrong"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(ran.passed().len(), 16);
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn a_death_fails_the_case_with_the_last_lines(crates: FixtureCrates) {
    // No case has a deadline: each would go on for ever.
    let ran = crates.run(PROCESSES, &["death"]);
    assert_eq!(ran.code, Some(101));
    for (case, last_line) in [
        ("death::ends_an_async_case", "out of memory"),
        ("death::ends_a_case_that_blocks_its_runtime", "out of memory"),
        ("death::ends_a_sync_case", "out of memory"),
        ("death::ends_a_sync_case_that_waits", "out of memory"),
        ("death::ends_a_setup", "out of memory"),
        ("death::is_noticed_at_the_end", "(it printed nothing)"),
    ] {
        let expected = format!(
            "failed: script ended while the case needed it (exit status: 9); its last lines:\n    \
             {last_line}\n"
        );
        assert!(ran.failure(case).starts_with(&expected), "{}", ran.stdout);
    }
    let waited = ran.failure("death::ends_a_sync_case_that_waits");
    assert!(waited.contains("\nthe case then failed: panicked at "), "{waited}");
    assert!(waited.contains("\nother.log, its last lines:\n"), "{waited}");
    let kept = kept(waited);
    assert_eq!(fs::read_to_string(format!("{kept}/script.log")).unwrap(), "out of memory\n");
    // The other fixtures were cleaned up as those of any failed case.
    assert!(fs::exists(format!("{kept}/0/note")).unwrap(), "{kept}");
}

/// The folder that a failed case left.
fn kept(failure: &str) -> &str {
    let line = failure.lines().find_map(|line| line.strip_prefix("kept: "));
    line.unwrap_or_else(|| panic!("nothing was kept: {failure}"))
}

#[dynamo_test]
fn a_death_alone_is_told_as_among_others(crates: FixtureCrates) {
    for case in ["death::ends_an_async_case", "death::ends_a_sync_case"] {
        let ran = crates.run(PROCESSES, &["--exact", case]);
        assert_eq!(ran.code, Some(101));
        assert!(ran.failure(case).contains("script ended while the case needed it"), "{case}");
    }
}

#[dynamo_test]
fn the_record_has_the_logs(crates: FixtureCrates) {
    crates.run(PROCESSES, &["tree::of_a_case_that_panics"]);
    let events = crates.events();
    let finished = events.iter().find(|event| event["event"] == "finished").unwrap();
    assert_eq!(finished["logs"][0]["last_lines"][0], "ready");
    let path = finished["logs"][0]["path"].as_str().unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "ready\n");
}

/// Runs a case that plants a tree of processes, of which none is left.
fn fell(crates: &FixtureCrates, arguments: &[&str]) -> Ran {
    let announcement = crates.path("announcement");
    let mut command = crates.command(PROCESSES);
    let ran = FixtureCrates::finish(command.args(arguments).env(ANNOUNCE, &announcement));
    assert!(fs::exists(&announcement).unwrap(), "the tree stood: {}", ran.stdout);
    let left = processes(&announcement);
    assert!(left.is_empty(), "{arguments:?}: {left:?}");
    ran
}

#[dynamo_test]
fn the_whole_tree_ends_with_its_case_however_that_ends(crates: FixtureCrates) {
    for (case, verdict) in [
        ("tree::of_a_case_that_passes", "ok"),
        ("tree::of_a_case_that_panics", "FAILED"),
        ("tree::of_a_case_that_skips_itself", "ignored (enough)"),
        ("tree::of_a_case_that_aborts", "FAILED"),
        ("tree::of_a_case_that_hangs", "FAILED"),
    ] {
        let ran = fell(&crates, &[case]);
        assert_eq!(ran.verdict(case), verdict);
        // A tree that was ended in order is no trace of the case.
        assert!(!ran.stdout.contains("left child processes"), "{}", ran.stdout);
    }
    let ran = fell(&crates, &["--exact", "tree::of_a_case_that_passes"]);
    assert_eq!(ran.code, Some(0));
}

#[dynamo_test]
fn a_case_that_had_its_time_shows_what_its_processes_said(crates: FixtureCrates) {
    let ran = crates.run(PROCESSES, &["tree::of_a_case_that_hangs"]);
    let shown = ran.failure("tree::of_a_case_that_hangs");
    assert!(shown.contains("\nscript.log, its last lines:\n    ready\n"), "{shown}");
}

#[dynamo_test]
fn the_tree_ends_with_who_is_killed(crates: FixtureCrates) {
    let case = "tree::of_a_case_that_hangs";
    for (arguments, victim) in [
        (&[case][..], "--dynamo-test-worker"),
        (&[case], "tree::of_a_case_that_hangs"),
        (&["--exact", case], "--exact"),
    ] {
        for name in ["KILL", "TERM"] {
            let announcement = crates.path("announcement");
            let _ = fs::remove_file(&announcement);
            let mut command = crates.command(PROCESSES);
            command.args(arguments).args(["--timeout", "600 s"]).env(ANNOUNCE, &announcement);
            let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let sleeping = || {
                let all = processes(&announcement);
                all.keys().filter(|command| command.starts_with("sleep 60")).count()
            };
            wait_for("the tree stands", || announcement.exists() && sleeping() == 3);
            let all = processes(&announcement);
            let victim = all.iter().find(|(command, _)| command.contains(victim));
            signal(name, *victim.expect("it runs").1);
            run.wait().unwrap();
            wait_for("no process is left", || processes(&announcement).is_empty());
        }
    }
}

#[dynamo_test(postmerge)]
fn under_the_stock_harness_too(crates: FixtureCrates) {
    let announcement = crates.path("announcement");
    let announce = |command: &mut Command| {
        command.env(ANNOUNCE, &announcement);
    };
    let ran = stock_harness::run(&crates, announce, &["processes"]);
    assert_eq!(ran.code, Some(101), "{}", ran.stderr);
    assert_eq!(ran.verdict("processes::see_the_case_s_environment"), "ok");
    assert_eq!(ran.verdict("processes::are_missed"), "FAILED");
    assert!(ran.stdout.contains("ended while the case needed it"), "{}", ran.stdout);
    wait_for("no process is left", || processes(&announcement).is_empty());
}
