//! What the macros say of mistakes, one file a rule, and what they accept.
//!
//! `ui/fail/*.stderr` hold the compiler's words. `TRYBUILD=overwrite` writes them anew: then read them.

use std::time::Duration;

use dynamo_test::prelude::*;

use crate::fixture_crate::FixtureCrates;

suite!(integration, postmerge);

// Without a `pass` among them, because then one `cargo check` compiles them all: with one, trybuild would call
// `cargo build` for each file.
#[dynamo_test]
fn each_mistake_gets_its_message() {
    trybuild::TestCases::new().compile_fail("ui/fail/*.rs");
    wait_for_the_thread_of_the_lock();
}

/// The thread that keeps trybuild's lock file fresh looks but now and then whether it is still wanted; a case that
/// leaves it behind is warned about.
fn wait_for_the_thread_of_the_lock() {
    let runs = || {
        let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        threads
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok())
            .any(|name| name.trim_end() == "trybuild-flock")
    };
    while runs() {
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[dynamo_test]
fn what_the_macros_accept_runs(crates: FixtureCrates) {
    let without_gpus = ["--mark", "not (gpu_1 or gpu_2)"];
    let ran = crates.run(env!("CARGO_BIN_EXE_grammar"), &without_gpus);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    for case in ["functions::match", "functions::größe", "suites::by_the_other_name::inherits"] {
        assert_eq!(ran.verdict(case), "ok", "{case}");
    }
    for case in ["ignored", "ignored_above", "ignored_here", "panics_when_asked"] {
        let verdict = ran.verdict(&format!("standard_attributes::{case}"));
        assert!(verdict.starts_with("ignored"), "{case}: {verdict}");
    }
    assert!(!ran.stdout.contains("on_windows"), "{}", ran.stdout);
}

#[dynamo_test]
fn a_suite_marks_the_cases_below_it(crates: FixtureCrates) {
    let grammar = env!("CARGO_BIN_EXE_grammar");
    let marked = |expression| crates.run(grammar, &["--list", "--mark", expression]).stdout;
    assert_eq!(
        marked("gaudi and router"),
        "suites::below::inherits_from_both: test\n",
        "of a suite and of the one above it"
    );
    assert_eq!(
        marked("kvbm and planner and premerge and gaudi"),
        "suites::with_two::inherits_from_all: test\n"
    );
    assert_eq!(marked("low_rank"), "markers::declared_ones: test\n", "by an alias");
}
