//! Selection × registry → plan: what becomes of each case, and why.

mod order;
mod plan;

use std::fmt;

pub(crate) use order::Order;
pub(crate) use plan::{Decision, Plan, Planned};

use crate::args::{Options, Vram};
use crate::case::Case;
use crate::gpu;
use crate::marker::expression::{Expression, ExpressionError};
use crate::marker::vocabulary::{self, Vocabulary};
use crate::marker::{Category, Lifecycle, builtin};

/// What the command line and the environment asked for.
pub(crate) struct Selection {
    lifecycle: Option<Lifecycle>,
    mark: Option<(String, Expression)>,
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    /// Names that were asked for without being filters here.
    asked_for: Vec<String>,
    ignored: Ignored,
    /// The most GPUs a case may need.
    gpus: Option<u32>,
    /// The most memory of each GPU a case may use.
    max_vram: Option<Vram>,
}

/// What `--ignored` and `--include-ignored` say of cases that bear `#[ignore]`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ignored {
    Shown,
    Included,
    Only,
}

/// Why a selection could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SelectionError {
    #[error("{origin}: {error}")]
    Mark { origin: &'static str, error: ExpressionError },
    #[error("{origin}: no lifecycle `{name}`\n  {name}\n  {} {help}", "^".repeat(name.chars().count().max(1)))]
    Lifecycle { origin: &'static str, name: String, help: String },
}

impl Selection {
    pub(crate) fn new(options: &Options, vocabulary: &Vocabulary) -> Result<Self, SelectionError> {
        let origin =
            |from_environment, variable, flag| if from_environment { variable } else { flag };
        let lifecycle = options.lifecycle.as_deref().map(|name| {
            vocabulary::lifecycle(name).ok_or_else(|| SelectionError::Lifecycle {
                origin: origin(
                    options.from_environment.lifecycle,
                    "DYNAMO_TEST_LIFECYCLE",
                    "--lifecycle",
                ),
                name: name.into(),
                help: lifecycle_help(name),
            })
        });
        let mark = options.mark.as_deref().map(|text| {
            let expression = Expression::parse(text, vocabulary).map_err(|error| {
                let origin = origin(options.from_environment.mark, "DYNAMO_TEST_MARK", "--mark");
                SelectionError::Mark { origin, error }
            })?;
            Ok((text.to_owned(), expression))
        });
        Ok(Self {
            lifecycle: lifecycle.transpose()?,
            mark: mark.transpose()?,
            filters: options.filters.clone(),
            skip: options.skip.clone(),
            exact: options.exact,
            asked_for: options.asked_for.clone(),
            ignored: match (options.ignored, options.include_ignored) {
                (true, _) => Ignored::Only,
                (_, true) => Ignored::Included,
                _ => Ignored::Shown,
            },
            gpus: options.gpus,
            max_vram: options.max_vram,
        })
    }

    /// The lifecycle asked for.
    pub(crate) fn lifecycle(&self) -> Option<Lifecycle> {
        self.lifecycle
    }

    /// What becomes of a case. What this machine `lacks` for it is asked last, and only if the rest depends on it.
    fn decide(&self, case: &Case, lacks: impl FnOnce() -> Option<String>) -> Decision {
        let deselected = |reason: String| Decision::Deselected(reason);
        if let Some(reason) = self.name_refuses(case) {
            return deselected(reason);
        }
        if let Some(lifecycle) = self.lifecycle
            && let Some(first) = case.first_lifecycle().filter(|first| *first > lifecycle)
        {
            return deselected(format!(
                "lifecycle {lifecycle} does not reach it, it runs from {first} on"
            ));
        }
        if let Some((text, expression)) = &self.mark
            && !expression.matches(case)
        {
            let markers: Vec<&str> = case.markers.iter().map(|marker| marker.name).collect();
            return deselected(format!("`{text}` is not true of {}", markers.join(", ")));
        }
        if let Some(reason) = self.gpu_limits_refuse(case) {
            return deselected(reason);
        }
        if case.waits_to_be_asked() && !self.asks_for(case) {
            let kind = case.of_category(Category::Type).map(|marker| marker.name).next();
            let kind = kind.unwrap_or_default();
            return deselected(format!(
                "a {kind} case runs only when asked for: by --lifecycle, by --mark {kind}, by --exact"
            ));
        }
        let ignore = case.definition.settings.ignore;
        match (self.ignored, ignore) {
            // A runner that lists ignored cases, as nextest does, is to know those that would be skipped, too.
            (Ignored::Only, None) if case.definition.settings.skip.is_none() => {
                let otherwise = || deselected("it bears no #[ignore]".into());
                return lacks().map_or_else(otherwise, Decision::Lacking);
            }
            (Ignored::Shown, Some(reason)) => {
                return Decision::Ignored(reason.map(Into::into));
            }
            _ => {}
        }
        match case.definition.settings.skip {
            Some(reason) => Decision::Skipped(reason.into()),
            None => lacks().map_or(Decision::Run, Decision::Lacking),
        }
    }

    fn name_refuses(&self, case: &Case) -> Option<String> {
        let name = case.name();
        let hits =
            |filter: &String| if self.exact { name == filter } else { name.contains(filter) };
        if !self.filters.is_empty() && !self.filters.iter().any(hits) {
            let verb = if self.exact { "is not" } else { "does not contain" };
            return Some(format!("its name {verb} {}", Either(&self.filters)));
        }
        self.skip.iter().find(|skip| hits(skip)).map(|skip| format!("--skip {skip}"))
    }

    fn gpu_limits_refuse(&self, case: &Case) -> Option<String> {
        let definition = case.definition;
        if let Some(most) = self.gpus.filter(|most| definition.settings.gpus > *most) {
            return Some(format!("--gpus {most}: it needs {}", definition.settings.gpus));
        }
        let most = self.max_vram.filter(|_| definition.settings.gpus > 0)?;
        let most = gpu::Memory(most.mib);
        match definition.settings.vram_mib.map(gpu::Memory) {
            None => Some(format!("--max-vram {most}: it does not declare its `vram`")),
            Some(vram) if vram > most => Some(format!("--max-vram {most}: it declares {vram}")),
            Some(_) => None,
        }
    }

    /// Whether a benchmark or stress case was asked for. A lifecycle asks for those it reaches.
    fn asks_for(&self, case: &Case) -> bool {
        let named = |marker: &str| {
            self.mark.as_ref().is_some_and(|(_, expression)| expression.names(marker))
        };
        let by_expression = [builtin::benchmark, builtin::stress]
            .iter()
            .any(|kind| case.markers.contains(kind) && named(kind.name));
        let by_name = self.exact && !self.filters.is_empty()
            || self.asked_for.iter().any(|name| name == case.name());
        self.lifecycle.is_some() || by_expression || by_name
    }
}

fn lifecycle_help(name: &str) -> String {
    let names = Lifecycle::ALL.map(Lifecycle::name);
    match vocabulary::nearest(name, names.into_iter()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", names.join(", ")),
    }
}

/// Names as a sentence lists them: `"a" or "b"`.
struct Either<'a>(&'a [String]);

impl fmt::Display for Either<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, name) in self.0.iter().enumerate() {
            let or = if position == 0 { "" } else { " or " };
            write!(f, "{or}{name:?}")?;
        }
        Ok(())
    }
}
