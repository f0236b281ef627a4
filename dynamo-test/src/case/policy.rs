//! What every case must declare, checked before anything runs: a case that breaks a rule would never run, or run
//! where nobody expects it.

use std::fmt;

use super::Case;
use crate::marker::{Category, Lifecycle, builtin};

/// A case that breaks a rule.
struct Violation {
    file: &'static str,
    line: u32,
    name: &'static str,
    message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.name, self.message)
    }
}

/// Refuses `cases`, which are sorted by name, if one of them breaks a rule; the error lists all that do.
pub(crate) fn check(cases: &[Case]) -> Result<(), String> {
    let violations = violations(cases);
    if violations.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = violations.iter().map(|violation| format!("  {violation}")).collect();
    Err(format!("cases that break a rule:\n{}", lines.join("\n")))
}

fn violations(cases: &[Case]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (position, case) in cases.iter().enumerate() {
        let namesake = position.checked_sub(1).map(|before| &cases[before]);
        let namesake = namesake.filter(|before| before.name() == case.name());
        let twice = namesake.map(|first| {
            let place = first.definition;
            format!("another case has this name, at {}:{}: rename one", place.file, place.line)
        });
        let messages = twice
            .into_iter()
            .chain(one_type(case))
            .chain(lifecycle_fits_type(case))
            .chain(gpus_are_declared(case));
        violations.extend(messages.map(|message| Violation {
            file: case.definition.file,
            line: case.definition.line,
            name: case.name(),
            message,
        }));
    }
    violations
}

fn one_type(case: &Case) -> Option<String> {
    let types: Vec<&str> = case.of_category(Category::Type).map(|marker| marker.name).collect();
    (types.len() > 1).then(|| {
        format!(
            "a case has one type, this one has {}: keep one (a `suite!` above it may have given the other)",
            types.join(" and ")
        )
    })
}

/// Without the feature `gpu` no case can declare any.
fn gpus_are_declared(case: &Case) -> Option<String> {
    let is_lost = cfg!(feature = "gpu") && case.definition.settings.gpus == 0;
    let why = if case.needs.uses_gpus() {
        "it takes `Gpus`"
    } else if case.markers.contains(&builtin::h100) {
        "it bears `h100`, which says what its GPUs must be"
    } else {
        return None;
    };
    is_lost.then(|| format!("{why}, but needs none: say how many with `gpus = 1`"))
}

fn lifecycle_fits_type(case: &Case) -> Option<String> {
    let lifecycles: Vec<Lifecycle> =
        case.of_category(Category::Lifecycle).filter_map(Lifecycle::of).collect();
    let bears = |marker| case.markers.contains(&marker);
    let (kind, allowed) = if bears(builtin::stress) {
        ("a stress case", &[Lifecycle::Release][..])
    } else if bears(builtin::benchmark) {
        ("a benchmark case", &[Lifecycle::Nightly, Lifecycle::Weekly, Lifecycle::Release][..])
    } else if bears(builtin::integration) {
        ("an integration case", &Lifecycle::ALL[..])
    } else if bears(builtin::e2e) {
        ("an e2e case", &Lifecycle::ALL[..])
    } else {
        return None;
    };
    let names: Vec<&str> = allowed.iter().map(|lifecycle| lifecycle.name()).collect();
    let names = names.join(", ");
    if lifecycles.is_empty() {
        return Some(format!(
            "{kind} without a lifecycle would never run, whatever the stage: add one of {names}"
        ));
    }
    let stray = lifecycles.iter().find(|lifecycle| !allowed.contains(lifecycle))?;
    Some(format!("{kind} does not belong to {stray}: it may have {names}"))
}
