//! Whatever a case does, it comes out right, and so do all others.

use std::collections::BTreeMap;

use dynamo_test::prelude::*;
use serde_json::Value;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const OUTCOMES: &str = env!("CARGO_BIN_EXE_outcomes");

/// What a case must come out as. The text must be in what is shown of it.
enum Expected {
    Passed,
    Failed(&'static str),
    Error(&'static str),
    Crashed(&'static str),
    TimedOut(&'static str),
    /// Passed, though it should not.
    XPassed(&'static str),
    /// Run without counting: the outcome in the record, and what is shown of it.
    Tolerated(&'static str, &'static str),
    /// Not run, for this reason.
    Ignored(&'static str),
}

use Expected::{Crashed, Error, Failed, Ignored, Passed, TimedOut, Tolerated, XPassed};

const TABLE: &[(&str, Expected)] = &[
    ("a_panic_s_payload_panics_too", Failed("a panic without a message")),
    ("aborts", Crashed("killed by signal: 6 (SIGABRT)")),
    ("closes_stdout", Passed),
    ("deadlines::ends_in_time", Passed),
    ("deadlines::hangs", TimedOut("printed before it hung")),
    ("deadlines::ignores_termination", TimedOut("did not end within 200ms")),
    ("deadlines::spins_in_a_thread_of_its_own", TimedOut("outcomes::deadlines::spin_forever")),
    ("deadlines::waits_for_a_child_process", TimedOut("waits_for_a_child_process")),
    ("does_not_panic_though_it_should", Failed("the test did not panic, as it should")),
    ("does_without_a_broken_fixture", Passed),
    ("exits_with_a_code", Crashed("exited with code 7 before the case was finished")),
    ("exits_with_success", Crashed("exited with code 0 before the case was finished")),
    ("expectations::aborts_as_expected", Tolerated("xfailed", "xfailed: issue 14 is open")),
    (
        "expectations::fails_after_quarantine",
        Failed("its quarantine, FLAKY-18, expired on 2026-01-01"),
    ),
    ("expectations::fails_as_expected", Tolerated("xfailed", "xfailed: issue 13 is open")),
    (
        "expectations::fails_in_quarantine",
        Tolerated("quarantined", "quarantined: FLAKY-17, until 2999-01-01"),
    ),
    ("expectations::may_pass", Tolerated("xpassed", "")),
    ("expectations::passes_after_quarantine", Passed),
    ("expectations::passes_unexpectedly", XPassed("remove its `xfail`")),
    ("expectations::skips_itself", Tolerated("skipped", "this machine has no /dev/infiniband")),
    ("expectations::skips_itself_in_a_fixture", Tolerated("skipped", "the device is asleep")),
    ("expectations::skips_itself_though_it_should_panic", Tolerated("skipped", "before the panic")),
    ("has_a_broken_fixture", Error("fixture `_broken: Broken`: the device is unplugged")),
    ("has_a_panicking_fixture", Error("no device")),
    ("ignored_with_a_reason", Ignored("it takes a minute")),
    ("isolation::changes_the_current_directory", Passed),
    ("isolation::changes_the_environment", Passed),
    ("isolation::has_a_process_of_its_own", Passed),
    ("isolation::has_its_environment_from_the_start", Passed),
    ("isolation::has_no_other_case_s_environment", Passed),
    ("isolation::leaves_a_child_process", Passed),
    ("isolation::leaves_a_daemon", Passed),
    ("isolation::leaves_a_thread", Passed),
    ("isolation::leaves_nothing", Passed),
    ("isolation::may_share_a_process", Passed),
    ("keeps_its_temp_dir", Failed("so that it is kept")),
    ("knows_itself", Failed("so that it shows")),
    ("leaves_no_temp_dir", Passed),
    ("needs_more_gpus_than_there_are", Ignored("needs 4096 GPUs, ")),
    ("panics", Failed("the panic's message")),
    ("panics_as_it_should", Passed),
    ("panics_async", Failed("assertion `left == right` failed")),
    ("panics_before_teardown", Failed("teardown of panics_before_teardown: Failed")),
    ("panics_with_another_message", Failed("should contain \"out of range\"")),
    ("panics_with_the_message_it_should", Passed),
    ("passes", Passed),
    ("passes_async", Passed),
    ("passes_but_teardown_fails", Error("teardown: the device does not answer")),
    ("passes_in_paused_time", Passed),
    ("passes_on_many_threads", Passed),
    ("prints_50_megabytes", Failed("after 50 megabytes")),
    ("prints_after_a_case_closed_stdout", Failed("printed after stdout was put back")),
    ("prints_from_c", Failed("printed by C code")),
    ("prints_invalid_utf8", Failed("before \u{fffd}\u{fffd} after")),
    ("reads_stdin_to_its_end", Passed),
    ("returns_an_error", Failed("the error's message")),
    ("returns_ok", Passed),
    ("serial::eight", Passed),
    ("serial::five", Passed),
    ("serial::four", Passed),
    ("serial::one", Passed),
    ("serial::seven", Passed),
    ("serial::six", Passed),
    ("serial::three", Passed),
    ("serial::two", Passed),
    ("skipped_with_a_reason", Ignored("issue 12 is open")),
    ("stray_panics::caught_where_they_happen", Passed),
    ("stray_panics::dealt_with", Passed),
    ("stray_panics::expected", Tolerated("xfailed", "xfailed: issue 20 is open")),
    ("stray_panics::in_a_blocking_task", Failed("the blocking task's message\nthis was in a task")),
    ("stray_panics::in_a_task", Failed("the task's message\nthis was in a task")),
    ("stray_panics::in_a_task_on_another_thread", Failed("the other thread's task's message")),
    ("stray_panics::in_a_task_that_fails_the_test", Failed(": the root of it\n")),
    (
        "stray_panics::in_a_task_that_is_dropped",
        Failed("dropped with its task\nthis was in a task"),
    ),
    (
        "stray_panics::in_a_thread",
        Failed("the thread's message\nthis was in a thread without a name"),
    ),
    ("stray_panics::in_a_thread_of_a_thread", Failed("far out\nthis was in the thread `inner`")),
    ("stray_panics::passed_on", Passed),
    ("stray_panics::without_a_hook", Passed),
    ("stray_panics::without_a_hook_before", Failed("after another case's hook")),
    ("talks_to_a_fixture_s_task_from_a_sync_function", Passed),
    ("workers::aborts_after_a_note", Crashed("killed by signal: 6 (SIGABRT)")),
    ("workers::closes_every_file", Crashed("printed before the files were closed")),
    ("workers::garbles_the_socket", Crashed("what its process said to the harness is garbled")),
    ("workers::has_a_long_message", Failed("more bytes]")),
    ("workers::is_killed_from_outside", Crashed("killed by signal: 9 (SIGKILL)")),
    ("workers::leaves_a_fork_that_holds_the_socket", Crashed("killed by signal: 6 (SIGABRT)")),
    ("workers::passes_with_a_note", Passed),
    ("workers::runs_out_of_memory", Crashed("memory allocation of 67108864 bytes failed")),
];

impl Expected {
    /// The outcome's name in the record.
    fn recorded(&self) -> Option<&'static str> {
        match self {
            Passed => Some("passed"),
            Failed(_) => Some("failed"),
            Error(_) => Some("error"),
            Crashed(_) => Some("crashed"),
            TimedOut(_) => Some("timed_out"),
            XPassed(_) => Some("xpassed"),
            Tolerated(outcome, _) => Some(outcome),
            Ignored(_) => None,
        }
    }

    /// Holds what the terminal showed against this.
    fn check_terminal(&self, ran: &Ran, case: &str) {
        let verdict = ran.verdict(case);
        match self {
            Passed => assert_eq!(verdict, "ok", "{case}"),
            Ignored(reason) => {
                assert!(
                    verdict.starts_with("ignored (") && verdict.contains(reason),
                    "{case}: {verdict}"
                );
            }
            Tolerated(_, "") => assert_eq!(verdict, "ok", "{case}"),
            Tolerated(_, text) => assert_eq!(verdict, format!("ignored ({text})"), "{case}"),
            Failed(text) | Error(text) | Crashed(text) | TimedOut(text) | XPassed(text) => {
                assert_eq!(verdict, "FAILED", "{case}");
                let shown = ran.failure(case);
                let name = self.recorded().unwrap_or_default().replace('_', " ");
                assert!(shown.starts_with(&format!("{name}: ")), "{case}: {shown}");
                assert!(shown.contains(text), "{case}: {shown}");
                let rerun =
                    format!("rerun: cargo test -p acceptance --bin outcomes -- --exact {case}");
                assert!(shown.contains(&rerun), "{case}: {shown}");
            }
        }
    }
}

/// The cases of the given kind of event.
fn of_kind<'a>(events: &'a [Value], kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let of_kind = events.iter().filter(|event| event["event"] == kind);
    of_kind.map(|event| (event["case"].as_str().unwrap(), event)).collect()
}

#[dynamo_test]
fn the_table_holds_in_workers(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &[]);
    assert_eq!(ran.code, Some(101), "{}", ran.stderr);
    let events = crates.events();
    let (decided, started, finished) =
        (of_kind(&events, "decided"), of_kind(&events, "started"), of_kind(&events, "finished"));
    assert_eq!(decided.len(), TABLE.len(), "the table names every case");
    for (case, expected) in TABLE {
        expected.check_terminal(&ran, case);
        let outcome = finished.get(case).map(|event| event["outcome"].as_str().unwrap());
        assert_eq!(outcome, expected.recorded(), "{case}");
        assert_eq!(started.contains_key(case), !matches!(expected, Ignored(_)), "{case}");
    }
    let count =
        |is: fn(&Expected) -> bool| TABLE.iter().filter(|(_, expected)| is(expected)).count();
    let passed = count(|expected| matches!(expected, Passed | Tolerated(_, "")));
    let ignored = count(|expected| matches!(expected, Ignored(_) | Tolerated(_, _))) - 1;
    let failed = TABLE.len() - passed - ignored;
    let counts =
        format!("test result: FAILED. {passed} passed; {failed} failed; {ignored} ignored;");
    assert!(ran.stdout.contains(&counts), "{counts}");
    for line in [
        "    1 × issue 12 is open",
        "    1 × this machine has no /dev/infiniband",
        "    isolation::changes_the_current_directory: changed the current directory to /",
        "    isolation::changes_the_environment: changed the environment: ACCEPTANCE_LEFT",
        "    isolation::leaves_a_thread: left threads running: straggler",
    ] {
        assert!(ran.stdout.lines().any(|shown| shown == line), "{line}");
    }
    for (case, left, times) in [("child_process", "sleep (pid ", 1), ("daemon", "sleep (pid ", 2)] {
        let line =
            ran.stdout.lines().find(|line| line.contains(&format!("leaves_a_{case}: left child")));
        let line = line.unwrap_or_else(|| panic!("no warning of {case} in:\n{}", ran.stdout));
        assert_eq!(line.matches(left).count(), times, "{line}");
    }
    assert!(!ran.stdout.contains("leaves_nothing: "), "{}", ran.stdout);
}

#[dynamo_test]
fn strict_fails_a_case_that_leaves_traces(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &["--strict", "isolation"]);
    assert_eq!(ran.code, Some(101));
    let shown = ran.failure("isolation::changes_the_environment");
    assert!(
        shown.starts_with("failed: --strict: it changed the environment: ACCEPTANCE_LEFT"),
        "{shown}"
    );
    assert_eq!(ran.passed().len(), 5, "{}", ran.stdout);
    let case = "isolation::leaves_a_child_process";
    assert!(ran.failure(case).ends_with(&format!("--exact {case} --strict\n")), "{}", ran.stdout);
    let again = crates.run(OUTCOMES, &["--strict", "--exact", case]);
    assert_eq!(again.code, Some(101), "{}", again.stdout);
    assert!(again.failure(case).contains("left child processes, which were killed: sleep"));
}

#[dynamo_test]
fn every_case_has_a_process_of_its_own_when_asked(crates: FixtureCrates) {
    crates.run(OUTCOMES, &["--isolate", "passes", "returns"]);
    let events = crates.events();
    let started = events.iter().filter(|event| event["event"] == "started");
    let mut pids: Vec<u64> = started.map(|event| event["pid"].as_u64().unwrap()).collect();
    let count = pids.len();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!((pids.len(), count > 5), (count, true));
}

#[dynamo_test]
fn a_run_s_timeout_is_for_cases_that_set_none(crates: FixtureCrates) {
    let ran =
        crates.run(OUTCOMES, &["--timeout", "1 h", "deadlines::hangs", "deadlines::ends_in_time"]);
    assert!(ran.failure("deadlines::hangs").contains("did not end within 200ms"));
    let hangs = env!("CARGO_BIN_EXE_services");
    let ran = crates.run(hangs, &["--timeout", "300 ms", "faults::the_test_hangs"]);
    assert!(ran.failure("faults::the_test_hangs").contains("did not end within 300ms"));
}

#[dynamo_test]
fn a_serial_group_holds_across_test_binaries(crates: FixtureCrates) {
    let runs: Vec<_> = (0..3)
        .map(|_| {
            let mut command = crates.command(OUTCOMES);
            command.args(["serial", "--test-threads", "4"]);
            std::thread::spawn(move || FixtureCrates::finish(&mut command))
        })
        .collect();
    for run in runs {
        let ran = run.join().unwrap();
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    }
}

#[dynamo_test]
fn a_failure_shows_its_place_and_what_was_printed(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &["panics", "--skip", "_"]);
    let shown = ran.failure("panics");
    assert!(shown.starts_with("failed: panicked at tests/fixtures/outcomes.rs:"), "{shown}");
    assert!(shown.contains("printed before the panic\nprinted on stderr before the panic\n"));
    assert!(!ran.stdout.contains("printed by a case that passes"));
}

#[dynamo_test]
fn passed_cases_show_what_they_printed_when_asked(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &["passes", "--show-output"]);
    assert!(
        ran.stdout.contains("---- passes ----\nprinted by a case that passes\n"),
        "{}",
        ran.stdout
    );
}

#[dynamo_test]
fn output_that_is_too_long_to_show_is_in_a_file(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &["prints_50_megabytes", "passes"]);
    let shown = ran.failure("prints_50_megabytes");
    assert!(shown.len() < 100_000, "{} bytes are shown", shown.len());
    let (_, rest) = shown.split_once("all of it is in ").unwrap();
    let (path, _) = rest.split_once(']').unwrap();
    assert!(std::fs::metadata(path).unwrap().len() > 50 << 20);
}

#[dynamo_test]
fn a_failed_case_keeps_its_folder_and_a_passed_one_does_not(crates: FixtureCrates) {
    let ran = crates.run(OUTCOMES, &["temp_dir"]);
    let shown = ran.failure("keeps_its_temp_dir");
    let (_, rest) = shown.split_once("kept: ").unwrap();
    let kept = std::path::Path::new(rest.lines().next().unwrap());
    assert_eq!(std::fs::read_to_string(kept.join("0/evidence.txt")).unwrap(), "what went wrong");
    let siblings = std::fs::read_dir(kept.parent().unwrap()).unwrap().count();
    assert_eq!(siblings, 1, "the other case's folder is gone");
    assert_eq!(crates.leftovers().len(), 1, "one folder of the run's");
}

#[dynamo_test]
fn a_seed_repeats_with_the_run_s_seed(crates: FixtureCrates) {
    let seed = |arguments: &[&str]| {
        let ran = crates.run(OUTCOMES, arguments);
        let shown = ran.failure("knows_itself").to_owned();
        let line = shown.lines().find(|line| line.starts_with("seed ")).unwrap().to_owned();
        (line, shown)
    };
    let (first, shown) = seed(&["knows_itself"]);
    let (_, flag) = shown.split_once("--seed ").expect("the rerun command names the seed");
    assert_eq!(seed(&["knows_itself", "passes", "--seed", flag.trim()]).0, first);
    assert_ne!(seed(&["knows_itself", "--seed", "1"]).0, seed(&["knows_itself", "--seed", "2"]).0);
}

#[dynamo_test]
fn without_capture_cases_print_as_they_run(crates: FixtureCrates) {
    for flag in ["--nocapture", "--no-capture"] {
        let ran = crates.run(OUTCOMES, &[flag, "passes", "panics"]);
        assert!(ran.stdout.contains("printed by a case that passes"), "{}", ran.stdout);
        assert!(ran.stderr.contains("printed on stderr before the panic"), "{}", ran.stderr);
    }
}
