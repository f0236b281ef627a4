//! `--list`, `--explain` and `--markers`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::marker::Marker;
use crate::marker::vocabulary::{GPU_MARK_PREFIXES, Vocabulary};
use crate::select::{Decision, Plan, Planned};

/// The form of [`json_list`]; it changes when a reader of the old form would misread the new.
const VERSION: u32 = 1;

/// The selected cases as libtest lists them, which is also what nextest reads.
pub(crate) fn libtest_list(plan: &Plan) -> String {
    let mut list = String::new();
    for planned in selected(plan) {
        list.push_str(planned.case.name());
        list.push_str(": test\n");
    }
    list
}

/// Every case with what becomes of it and why.
pub(crate) fn explain(plan: &Plan) -> String {
    let mut text = String::new();
    for Planned { case, decision } in &plan.cases {
        // Writing to a String cannot fail.
        let _ = write!(text, "{:<10}  {}", decision.name(), case.name());
        if let Some(reason) = decision.reason() {
            let _ = write!(text, ": {reason}");
        }
        text.push('\n');
    }
    text
}

/// The markers there are, by category.
pub(crate) fn markers(vocabulary: &Vocabulary) -> String {
    let mut text = String::new();
    let mut line =
        |category: &dyn std::fmt::Display, name: &str, aliases: &str, description: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{category:<11} {name:<13} {aliases:<22} {description}");
        };
    line(&"category", "marker", "aliases", "description");
    for marker in vocabulary.markers() {
        let (category, aliases) = (marker.category(), marker.aliases().join(", "));
        line(&category, marker.name(), &aliases, marker.description());
    }
    let [long, short] = GPU_MARK_PREFIXES.map(|prefix| format!("{prefix}N"));
    line(&"hardware", &long, &short, "Has `gpus = N`; in expressions only.");
    text
}

/// A case with everything known of it.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    file: &'a str,
    line: u32,
    markers: Vec<&'a str>,
    gpus: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    vram_mib: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xfail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<&'a str>,
    isolated: bool,
    catches_panics: bool,
    env: std::collections::BTreeMap<&'a str, &'a str>,
    services: Vec<String>,
    should_panic: bool,
    decision: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct List<'a> {
    version: u32,
    cases: Vec<Listed<'a>>,
}

/// Every case, the deselected among them, with everything known of it.
pub(crate) fn json_list(plan: &Plan) -> String {
    let cases = plan.cases.iter().map(|Planned { case, decision }| {
        let definition = case.definition;
        Listed {
            name: case.name(),
            file: definition.file,
            line: definition.line,
            markers: case.markers.iter().map(Marker::name).collect(),
            gpus: definition.settings.gpus,
            vram_mib: definition.settings.vram_mib,
            timeout_ms: definition.settings.timeout_ms,
            serial: definition.settings.serial,
            xfail: definition.settings.xfail.map(|xfail| xfail.reason),
            quarantine: definition.settings.quarantine.map(|quarantine| quarantine.ticket),
            isolated: definition.settings.isolated,
            catches_panics: definition.settings.catches_panics,
            env: definition.settings.env.iter().copied().collect(),
            services: case.needs.services().iter().map(|(want, _)| want.key()).collect(),
            should_panic: definition.settings.should_panic.is_some(),
            decision: decision.name(),
            reason: decision.reason(),
        }
    });
    let list = List { version: VERSION, cases: cases.collect() };
    // Strings, numbers and lists: there is nothing that JSON lacks.
    let mut text = serde_json::to_string_pretty(&list).unwrap_or_default();
    text.push('\n');
    text
}

fn selected(plan: &Plan) -> impl Iterator<Item = &Planned> {
    plan.cases.iter().filter(|planned| !matches!(planned.decision, Decision::Deselected(_)))
}
