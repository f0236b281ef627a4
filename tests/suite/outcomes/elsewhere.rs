//! The same table under cargo-nextest and under the stock harness, as far as they have words for it.

use std::collections::BTreeMap;
use std::fs;

use dynamo_test::prelude::*;
use serde_json::Value;

use super::table::{Expected, Row, TABLE};
use super::without_gpus;
use crate::cleanup::wait_for;
use crate::fixture_crate::{FixtureCrates, Ran};
use crate::{nextest, stock_harness};

impl Row {
    /// What cargo-nextest calls it; nothing where it runs no such case.
    fn under_nextest(&self) -> Option<&'static str> {
        match (&self.expected, self.killed_by) {
            (Expected::Ignored(_), _) => None,
            (_, Some(signal)) => Some(signal),
            (Expected::Passed | Expected::Tolerated(..), None) => Some("PASS"),
            _ => Some("FAIL"),
        }
    }

    /// What must be shown of it where it fails.
    fn text(&self) -> Option<&'static str> {
        match self.expected {
            Expected::Passed | Expected::Tolerated(..) | Expected::Ignored(_) => None,
            Expected::Failed(text)
            | Expected::Error(text)
            | Expected::Crashed(text)
            | Expected::TimedOut(text)
            | Expected::XPassed(text) => Some(text),
        }
    }
}

/// What each case's own record says of its end. One that was killed has said nothing.
fn recorded(crates: &FixtureCrates) -> BTreeMap<String, String> {
    let run = fs::read_dir(crates.records().join("runs")).unwrap().next().unwrap().unwrap();
    let mut outcomes = BTreeMap::new();
    for process in fs::read_dir(run.path()).unwrap().flatten() {
        let events = fs::read_to_string(process.path().join("events.jsonl")).unwrap_or_default();
        for event in events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            if event["event"] == "finished" {
                let text = |field: &str| event[field].as_str().unwrap().to_owned();
                outcomes.insert(text("case"), text("outcome"));
            }
        }
    }
    outcomes
}

#[dynamo_test]
fn the_table_holds_under_nextest(crates: FixtureCrates) {
    let excluded = TABLE.iter().filter(|row| row.not_alone.is_some());
    let filter: Vec<String> = excluded.map(|row| format!("not test(={})", row.name)).collect();
    let mut command = nextest::command(&crates, "run");
    command.args(["--no-fail-fast", "-E", &filter.join(" & ")]);
    without_gpus(&mut command);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(100), "{}", ran.stderr);
    let verdicts = nextest::verdicts(&ran);
    let recorded = recorded(&crates);
    for row in TABLE.iter().filter(|row| row.not_alone.is_none()) {
        let case = row.name;
        assert_eq!(verdicts.get(case).copied(), row.under_nextest(), "{case}: {}", ran.stderr);
        let outcome = row.expected.recorded().filter(|_| row.killed_by.is_none());
        assert_eq!(recorded.get(case).map(String::as_str), outcome, "{case}");
    }
    assert_eq!(
        verdicts.len(),
        TABLE
            .iter()
            .filter(|row| { row.not_alone.is_none() && row.under_nextest().is_some() })
            .count()
    );
}

/// What the stock harness shows of a case that failed.
fn section<'a>(ran: &'a Ran, case: &str) -> &'a str {
    let heading = format!("---- {case} stdout ----\n");
    let (_, rest) = ran.stdout.split_once(&heading).unwrap_or_else(|| panic!("no {heading}"));
    rest.split_once("\n---- ").map_or(rest, |(section, _)| section)
}

#[dynamo_test]
fn the_table_holds_under_the_stock_harness(crates: FixtureCrates) {
    let skipped =
        TABLE.iter().filter(|row| row.not_under_stock.is_some() || row.ends_the_stock_harness());
    let mut arguments = vec!["--exact"];
    arguments.extend(skipped.flat_map(|row| ["--skip", row.name]));
    let ran = stock_harness::run(&crates, without_gpus, &arguments);
    assert_eq!(ran.code, Some(101), "{}", ran.stderr);
    for row in TABLE {
        let case = row.name;
        if row.not_under_stock.is_some() {
            continue;
        }
        if row.ends_the_stock_harness() {
            ends_the_stock_harness(&crates, row);
            continue;
        }
        let verdict = ran.verdict(case);
        match (&row.expected, row.text()) {
            (Expected::Ignored(reason), _) if verdict != "ok" => {
                assert_eq!(verdict, format!("ignored, {reason}"), "{case}");
            }
            (Expected::Ignored(reason), _) => {
                let said = format!("dynamo-test: {case} is skipped: {reason}");
                assert!(ran.stderr.contains(&said), "{said} is not in {}", ran.stderr);
            }
            (_, Some(text)) => {
                assert_eq!(verdict, "FAILED", "{case}");
                assert!(section(&ran, case).contains(text), "{case}: {}", section(&ran, case));
            }
            (_, None) => assert_eq!(verdict, "ok", "{case}"),
        }
    }
    // What `keeps_its_temp_dir` keeps, which runs in place, and `processes::are_missed`, which does not.
    wait_for("only what failed cases keep is left", || crates.leftovers().len() <= 2);
}

/// A case in place that ends its process ends the run, but never as a success.
fn ends_the_stock_harness(crates: &FixtureCrates, row: &Row) {
    let case = row.name;
    let ran = stock_harness::run(crates, without_gpus, &["--exact", case]);
    assert_ne!(ran.code, Some(0), "{case}");
    match row.killed_by {
        Some(signal) => {
            assert!(ran.stderr.contains(&format!(", {signal}: ")), "{case}: {}", ran.stderr)
        }
        None => {
            let said = format!("ended the process while these cases ran: {case} ");
            assert!(ran.stderr.contains(&said), "{case}: {}", ran.stderr);
        }
    }
}
