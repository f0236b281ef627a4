//! Plain cases have the threads of those before them: that nobody notices.

use std::fs;

use dynamo_test::prelude::*;

use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

const FLOW: &str = env!("CARGO_BIN_EXE_flow");

#[dynamo_test]
fn a_case_finds_nothing_of_another_in_its_thread(crates: FixtureCrates) {
    let file = crates.path("ran");
    let mut command = crates.command(FLOW);
    command.env("FLOW_RAN", &file).args(["--test-threads", "1", "--show-output", "threads::"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.passed().len(), 16, "{}", ran.stdout);
    assert!(ran.failure("threads::f_fails").contains("on purpose"));

    let left = "z_sets_a_number_and_leaves_a_thread: left threads running: straggler\n";
    assert!(ran.stdout.contains(left), "no other thread is named: {}", ran.stdout);

    let dropped = "---- threads::e_leaves_what_is_dropped ----\ndropped with its thread\n";
    assert!(ran.stdout.contains(dropped), "what a thread drops is its case's: {}", ran.stdout);

    if cfg!(target_os = "linux") {
        let text = fs::read_to_string(file).unwrap();
        let threads: Vec<(&str, &str)> =
            text.lines().filter_map(|line| line.split_once(' ')).collect();
        let one_cpu = std::thread::available_parallelism().is_ok_and(|count| count.get() == 1);
        let shared = |one: &str, two: &str| {
            let thread = |case| threads.iter().find(|(name, _)| *name == case).expect(case).1;
            thread(one) == thread(two)
        };
        for (one, two, same) in [
            ("a", "b", true),
            ("b", "c", true),
            ("c", "d", false),
            ("d", "e", true),
            ("e", "f", false),
            ("f", "g", false),
            ("g", "h", false),
            ("h", "i", true),
            // With one CPU to use, a case that keeps to one changes nothing.
            ("i", "j", one_cpu),
            ("j", "k", false),
            ("j", "l", false),
            ("j", "n", false),
            ("n", "o", true),
            ("o", "p", false),
        ] {
            assert_eq!(shared(one, two), same, "{one} and {two}: {threads:?}");
        }
    }
}
