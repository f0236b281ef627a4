use std::sync::Arc;

use super::Selection;
use crate::case::Case;

/// What becomes of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It runs.
    Run,
    /// It was not selected; why.
    Deselected(String),
    /// It was selected, and says itself that it shall not run; why.
    Skipped(String),
    /// It was selected, but this machine lacks something that it needs; what.
    Lacking(String),
    /// It bears `#[ignore]`, perhaps with a reason.
    Ignored(Option<String>),
}

impl Decision {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Deselected(_) => "deselected",
            Self::Skipped(_) | Self::Lacking(_) => "skipped",
            Self::Ignored(_) => "ignored",
        }
    }

    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            Self::Run => None,
            Self::Deselected(reason) | Self::Skipped(reason) | Self::Lacking(reason) => {
                Some(reason)
            }
            Self::Ignored(reason) => reason.as_deref(),
        }
    }
}

/// A case and what becomes of it.
pub(crate) struct Planned {
    pub(crate) case: Arc<Case>,
    pub(crate) decision: Decision,
}

/// Every case of the binary with its decision, by name.
pub(crate) struct Plan {
    pub(crate) cases: Vec<Planned>,
}

impl Plan {
    /// Decides on every case. `lack` says what is missing for a case; it is asked only of one that would run.
    pub(crate) fn new(
        cases: Vec<Case>,
        selection: &Selection,
        lack: impl Fn(&Case) -> Option<String>,
    ) -> Self {
        let decide = |case: Case| Planned {
            decision: selection.decide(&case, || lack(&case)),
            case: Arc::new(case),
        };
        Self { cases: cases.into_iter().map(decide).collect() }
    }

    /// Takes out cases that were selected so far, for the reasons that are given for them.
    pub(crate) fn deselect(&mut self, why: impl Fn(&Case) -> Option<String>) {
        for planned in &mut self.cases {
            if !matches!(planned.decision, Decision::Deselected(_))
                && let Some(reason) = why(&planned.case)
            {
                planned.decision = Decision::Deselected(reason);
            }
        }
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Planned> {
        self.cases.iter().filter(|planned| planned.decision == Decision::Run)
    }
}
