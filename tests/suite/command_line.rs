//! What the command line and the environment select, and what they refuse.

use dynamo_test::prelude::*;
use serde_json::Value;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const SELECTION: &str = env!("CARGO_BIN_EXE_selection");

/// The selected cases of the module `lifecycles`, without it.
fn lifecycles(ran: &Ran) -> Vec<&str> {
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran.passed().into_iter().filter_map(|name| name.strip_prefix("lifecycles::")).collect()
}

#[dynamo_test]
fn each_lifecycle_runs_what_the_earlier_ones_run_and_more(crates: FixtureCrates) {
    let expected: [(&str, &[&str]); 5] = [
        ("premerge", &["integration_premerge", "unit_always"]),
        ("post_merge", &["integration_postmerge", "integration_premerge", "unit_always"]),
        (
            "nightly",
            &[
                "benchmark_nightly",
                "e2e_nightly",
                "integration_postmerge",
                "integration_premerge",
                "unit_always",
                "unit_nightly",
            ],
        ),
        (
            "weekly",
            &[
                "benchmark_nightly",
                "e2e_nightly",
                "e2e_weekly",
                "integration_postmerge",
                "integration_premerge",
                "unit_always",
                "unit_nightly",
            ],
        ),
        (
            "release",
            &[
                "benchmark_nightly",
                "e2e_nightly",
                "e2e_weekly",
                "integration_postmerge",
                "integration_premerge",
                "integration_release",
                "stress_release",
                "unit_always",
                "unit_nightly",
            ],
        ),
    ];
    for (lifecycle, cases) in expected {
        let by_flag = crates.run(SELECTION, &["--lifecycle", lifecycle]);
        assert_eq!(lifecycles(&by_flag), cases, "{lifecycle}");
        let mut command = crates.command(SELECTION);
        let by_variable = FixtureCrates::finish(command.env("DYNAMO_TEST_LIFECYCLE", lifecycle));
        assert_eq!(lifecycles(&by_variable), cases, "{lifecycle}");
    }
}

#[dynamo_test]
fn benchmark_and_stress_cases_run_only_when_asked_for(crates: FixtureCrates) {
    let ran = |arguments: &[&str]| {
        let ran = crates.run(SELECTION, arguments);
        let ran = lifecycles(&ran);
        (ran.contains(&"benchmark_nightly"), ran.contains(&"stress_release"))
    };
    assert_eq!(ran(&[]), (false, false));
    assert_eq!(ran(&["benchmark_nightly", "stress_release"]), (false, false));
    assert_eq!(ran(&["-m", "nightly or release"]), (false, false));
    assert_eq!(ran(&["-m", "benchmark"]), (true, false));
    assert_eq!(ran(&["-m", "nightly or stress"]), (false, true));
    assert_eq!(ran(&["--exact", "lifecycles::stress_release"]), (false, true));
}

/// The names that `--list` prints for these arguments.
fn listed(crates: &FixtureCrates, arguments: &[&str]) -> Vec<String> {
    let ran = crates.run(SELECTION, &[&["--list"], arguments].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let names = ran.stdout.lines().map(|line| line.strip_suffix(": test").unwrap().to_owned());
    names.collect()
}

#[dynamo_test]
fn expressions_select_by_marker_alias_gpus_and_suite(crates: FixtureCrates) {
    let text = "integration and postmerge and vllm and (gpus_needed_1 or gpus_needed_2)";
    let on_gpus = ["marked::vllm_on_one_gpu", "marked::vllm_on_two_gpus"];
    assert_eq!(listed(&crates, &["-m", text]), on_gpus);
    assert_eq!(listed(&crates, &["--mark", "gpu_1 or gpu_2"]), on_gpus);
    let projects_own = ["marked::projects_own"];
    assert_eq!(listed(&crates, &["-m", "gaudi"]), projects_own);
    assert_eq!(listed(&crates, &["-m", "low_rank and not fast"]), projects_own);
    assert_eq!(listed(&crates, &["-m", "tensorrt_llm"]), projects_own);
    assert_eq!(
        listed(&crates, &["-m", "kv_router"]),
        ["suites::below::inherits_and_adds", "suites::inherits"]
    );
    assert_eq!(
        listed(&crates, &["-m", "router", "--lifecycle", "premerge"]),
        ["suites::below::inherits_and_adds"],
        "the case's own lifecycle counts beside the suite's"
    );
}

#[dynamo_test]
fn names_select_like_libtest_s(crates: FixtureCrates) {
    assert_eq!(
        listed(&crates, &["vllm_on_one", "e2e_nightly"]),
        ["lifecycles::e2e_nightly", "marked::vllm_on_one_gpu"]
    );
    assert_eq!(
        listed(&crates, &["marked", "--skip", "vllm"]),
        ["marked::ignored", "marked::projects_own"]
    );
    assert_eq!(listed(&crates, &["--exact", "suites::inherits"]), ["suites::inherits"]);
    assert!(listed(&crates, &["--exact", "inherits"]).is_empty());
    // What skips itself is listed with them, so that nextest shows it as skipped.
    let ignored = ["marked::ignored", "marked::vllm_without_gpu"];
    assert_eq!(listed(&crates, &["--ignored"]), ignored);
    assert_eq!(listed(&crates, &["--format", "terse", "--ignored"]), ignored);
}

#[dynamo_test]
fn ignored_cases_run_when_asked_for(crates: FixtureCrates) {
    assert_eq!(crates.run(SELECTION, &["--ignored"]).passed(), ["marked::ignored"]);
    let both = crates.run(SELECTION, &["--include-ignored", "marked"]);
    assert_eq!(both.passed(), ["marked::ignored", "marked::projects_own"]);
    assert!(
        crates
            .run(SELECTION, &["marked::ignored"])
            .verdict("marked::ignored")
            .starts_with("ignored")
    );
}

#[dynamo_test]
fn a_filter_that_matches_nothing_is_no_failure_and_says_so(crates: FixtureCrates) {
    let ran = crates.run(SELECTION, &["no_such_name"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stdout.contains("16 filtered out"), "{}", ran.stdout);
    assert!(ran.stdout.contains("none of the 16 cases here was selected"), "{}", ran.stdout);
}

#[dynamo_test]
fn under_nextest_an_unknown_name_is_a_failure(crates: FixtureCrates) {
    let mut command = crates.command(SELECTION);
    command.env("NEXTEST", "1").args(["--exact", "no_such_name", "--nocapture"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("no case is named no_such_name"), "{}", ran.stderr);
}

#[dynamo_test]
fn a_wrong_selection_is_an_error_with_its_place(crates: FixtureCrates) {
    let refused = |arguments: &[&str], shown: &str| {
        let ran = crates.run(SELECTION, arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(ran.stderr.contains(shown), "{}", ran.stderr);
    };
    refused(
        &["-m", "unit and vlm"],
        "no marker `vlm`\n  unit and vlm\n           ^^^ did you mean `vllm`?",
    );
    refused(&["-m", "(integration and"], "expected a marker after this\n");
    refused(&["-m", ""], "the expression is empty");
    refused(
        &["--lifecycle", "nigthly"],
        "no lifecycle `nigthly`\n  nigthly\n  ^^^^^^^ did you mean `nightly`?",
    );
    refused(&["--test-threads", "0"], "it takes a number, 1 or more");
    refused(&["--lifecyle", "nightly"], "--lifecycle");
    refused(&["--logfile", "/no/such/folder/log"], "--logfile cannot be written");
    for (variable, value, shown) in [
        (
            "DYNAMO_TEST_MARK",
            "unit adn e2e",
            "DYNAMO_TEST_MARK: expected `and` or `or` before this",
        ),
        ("DYNAMO_TEST_LIFECYCLE", "pre-merge", "DYNAMO_TEST_LIFECYCLE: no lifecycle `pre-merge`"),
        ("RUST_TEST_THREADS", "many", "RUST_TEST_THREADS=\"many\" is not a number, 1 or more"),
        ("DYNAMO_TEST_LIFECYLE", "nightly", "did you mean DYNAMO_TEST_LIFECYCLE?"),
        ("DYNAMO_TEST_STRICT", "maybe", "DYNAMO_TEST_STRICT=\"maybe\" is not 0 or 1"),
    ] {
        let ran = FixtureCrates::finish(crates.command(SELECTION).env(variable, value));
        assert_eq!(ran.code, Some(2), "{variable}");
        assert!(ran.stderr.contains(shown), "{}", ran.stderr);
    }
}

#[dynamo_test]
fn a_flag_wins_over_its_variable(crates: FixtureCrates) {
    let mut command = crates.command(SELECTION);
    command.env("DYNAMO_TEST_LIFECYCLE", "release").args(["--lifecycle", "premerge"]);
    command.env("DYNAMO_TEST_MARK", "no such expression").args(["-m", "e2e or integration"]);
    assert_eq!(lifecycles(&FixtureCrates::finish(&mut command)), ["integration_premerge"]);
}

#[dynamo_test]
fn explain_gives_every_case_its_reason(crates: FixtureCrates) {
    let ran = crates.run(SELECTION, &["--explain", "--lifecycle", "postmerge", "--skip", "suites"]);
    assert_eq!(ran.stdout.lines().count(), 16, "{}", ran.stdout);
    for line in [
        "run         lifecycles::unit_always",
        "deselected  lifecycles::e2e_weekly: lifecycle postmerge does not reach it, it runs from weekly on",
        "deselected  suites::inherits: --skip suites",
        "skipped     marked::vllm_without_gpu: it needs a model",
        "ignored     marked::ignored",
    ] {
        assert!(ran.stdout.lines().any(|shown| shown == line), "{line}\nis not in\n{}", ran.stdout);
    }
}

#[dynamo_test]
fn strict_fails_what_this_machine_lacks_and_nothing_else(crates: FixtureCrates) {
    let ran = crates.run(env!("CARGO_BIN_EXE_outcomes"), &["--strict", "gpus", "skipped"]);
    assert_eq!(ran.code, Some(101));
    assert!(ran.failure("needs_more_gpus_than_there_are").starts_with("--strict: needs 4096 GPUs"));
    assert!(ran.verdict("skipped_with_a_reason").starts_with("ignored"));
}

#[dynamo_test]
fn the_json_list_knows_everything_of_each_case(crates: FixtureCrates) {
    let ran = crates.run(SELECTION, &["--list", "--format", "json", "--lifecycle", "nightly"]);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    let cases = list["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    let find = |name: &str| cases.iter().find(|case| case["name"] == name).unwrap();
    let gpu = find("marked::vllm_on_two_gpus");
    assert_eq!(gpu["gpus"], 2);
    assert_eq!(gpu["file"], "tests/fixtures/selection.rs");
    let inherited = find("suites::inherits");
    assert_eq!(inherited["markers"], serde_json::json!(["integration", "nightly", "router"]));
    assert_eq!(find("lifecycles::stress_release")["decision"], "deselected");
}

#[dynamo_test]
fn the_markers_are_listed_with_a_project_s_own(crates: FixtureCrates) {
    let ran = crates.run(SELECTION, &["--markers"]);
    let has = |words: [&str; 4]| {
        ran.stdout.lines().any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(has(["framework", "tensorrt_llm", "trtllm, trtllm_marker", "TensorRT-LLM"]));
    assert!(has(["component", "lora", "low_rank", "The LoRA adapters"]), "{}", ran.stdout);
}

#[dynamo_test]
fn help_shows_every_flag_in_its_group(crates: FixtureCrates) {
    let ran = crates.run(SELECTION, &["--help"]);
    assert_eq!(ran.code, Some(0));
    for heading in ["Selection:", "Listing:", "Running:", "Output:", "Examples:", "Environment:"] {
        assert!(ran.stdout.lines().any(|line| line == heading), "{heading}\n{}", ran.stdout);
    }
}

#[dynamo_test]
fn the_run_is_printed_as_asked(crates: FixtureCrates) {
    let terse = crates.run(SELECTION, &["-q", "lifecycles::unit"]);
    assert!(terse.stdout.contains("running 2 tests\n..\n"), "{}", terse.stdout);
    let json = crates.run(SELECTION, &["--format", "json", "lifecycles::unit"]);
    for line in json.stdout.lines() {
        serde_json::from_str::<Value>(line).unwrap();
    }
    let coloured = crates.run(SELECTION, &["--color", "always", "lifecycles::unit"]);
    assert!(coloured.stdout.contains("\u{1b}["));
    let path = crates.path("log");
    let logged = crates.run(SELECTION, &["--logfile", path.to_str().unwrap(), "lifecycles::unit"]);
    assert!(!logged.stdout.contains("running"));
    assert!(std::fs::read_to_string(path).unwrap().contains("running 2 tests"));
}

#[dynamo_test]
fn rust_test_threads_bounds_what_runs_at_once(crates: FixtureCrates) {
    let mut command = crates.command(SELECTION);
    FixtureCrates::finish(command.env("RUST_TEST_THREADS", "1").arg("lifecycles"));
    let events = crates.events();
    assert_eq!(events[0]["test_threads"], 1);
    let kinds: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let order: Vec<&str> =
        kinds.into_iter().filter(|kind| ["started", "finished"].contains(kind)).collect();
    assert!(order.chunks(2).all(|pair| pair == ["started", "finished"]), "{order:?}");
}
