//! `--failed` and `--failed-first`: what failed last says what runs, or what runs first.

use std::collections::BTreeSet;

use crate::args::Course;
use crate::report::{self, LastResults};
use crate::select::Plan;
use crate::target::Target;

/// Leaves out of the plan what did not fail last, if that was asked for. The names of the cases that shall come first,
/// if that was.
pub(crate) fn recall(target: &Target, course: &Course, plan: &mut Plan) -> BTreeSet<String> {
    if !course.failed && !course.failed_first {
        return BTreeSet::new();
    }
    let runs = report::home().join("runs");
    let cases = plan.running().map(|planned| planned.case.name());
    let last = LastResults::read(&runs, target, cases);
    if !last.are_known() {
        let flag = if course.failed { "--failed" } else { "--failed-first" };
        eprintln!(
            "dynamo-test: {flag}: no earlier run of this target is recorded in {}: everything runs",
            runs.display()
        );
    } else if course.failed {
        plan.deselect(|case| match last.failed(case.name()) {
            Some(true) => None,
            Some(false) => Some("--failed: it did not fail when it ran last".into()),
            None => Some("--failed: no run of it is recorded".into()),
        });
    }
    if course.failed_first { last.into_failed() } else { BTreeSet::new() }
}
