//! Whatever a case does, it comes out right, and so do all others.

use std::collections::BTreeMap;
use std::process::Command;

use dynamo_test::prelude::*;
use serde_json::Value;

use crate::fixture_crate::{FixtureCrates, Ran};

mod elsewhere;
mod table;

use table::Expected::{
    self, Crashed, Error, Failed, Ignored, Passed, TimedOut, Tolerated, XPassed,
};
use table::{Row, TABLE};

suite!(integration, premerge);

const OUTCOMES: &str = env!("CARGO_BIN_EXE_outcomes");

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

/// Has a command find no GPU, whatever the machine has.
fn without_gpus(command: &mut Command) {
    command.env("DYNAMO_TEST_NVML_LIBRARY", "/nonexistent/libnvidia-ml.so");
}

#[dynamo_test]
fn the_table_holds_in_workers(crates: FixtureCrates) {
    let mut command = crates.command(OUTCOMES);
    without_gpus(&mut command);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101), "{}", ran.stderr);
    let events = crates.events();
    let (decided, started, finished) =
        (of_kind(&events, "decided"), of_kind(&events, "started"), of_kind(&events, "finished"));
    assert_eq!(decided.len(), TABLE.len(), "the table names every case");
    for Row { name: case, expected, .. } in TABLE {
        expected.check_terminal(&ran, case);
        let outcome = finished.get(case).map(|event| event["outcome"].as_str().unwrap());
        assert_eq!(outcome, expected.recorded(), "{case}");
        assert_eq!(started.contains_key(case), !matches!(expected, Ignored(_)), "{case}");
    }
    let count = |is: fn(&Expected) -> bool| TABLE.iter().filter(|row| is(&row.expected)).count();
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
        "    isolation::changes_the_umask: changed the umask to 077",
        "    isolation::leaves_a_thread: left threads running: straggler",
    ] {
        assert!(ran.stdout.lines().any(|shown| shown == line), "{line}");
    }
    for (case, left, times) in [
        ("isolation::leaves_a_child_process", "sleep (pid ", 1),
        ("isolation::leaves_a_daemon", "sleep (pid ", 2),
        ("isolation::leaves_a_fork_of_itself", "(pid ", 1),
        ("deadlines::leaves_its_process_group", "(pid ", 2),
    ] {
        let warning = format!("    {case}: left child processes, which were killed: ");
        let line = ran.stdout.lines().find(|line| line.starts_with(&warning));
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
    assert_eq!(ran.passed().len(), 6, "{}", ran.stdout);
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
    assert!(shown.starts_with("failed: panicked at tests/fixtures/outcomes/plain.rs:"), "{shown}");
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
