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
    pub(crate) case: Case,
    pub(crate) decision: Decision,
}

/// Every case of the binary with its decision, by name.
pub(crate) struct Plan {
    pub(crate) cases: Vec<Planned>,
}

impl Plan {
    /// Decides on every case. `gpus` tells how many GPUs the machine has, or why none is known; it is asked once,
    /// and only if a case that would run needs one.
    pub(crate) fn new(
        cases: Vec<Case>,
        selection: &Selection,
        gpus: impl FnOnce() -> Result<u32, String>,
    ) -> Self {
        let mut cases: Vec<Planned> = cases
            .into_iter()
            .map(|case| Planned { decision: selection.decide(&case), case })
            .collect();
        let mut needy = cases.iter_mut().filter(|planned| planned.needs_gpus()).peekable();
        if needy.peek().is_some() {
            let gpus = gpus();
            for planned in needy {
                if let Some(lack) = lack_of_gpus(planned.case.definition.gpus, &gpus) {
                    planned.decision = Decision::Lacking(lack);
                }
            }
        }
        Self { cases }
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = &Planned> {
        self.cases.iter().filter(|planned| planned.decision == Decision::Run)
    }
}

impl Planned {
    fn needs_gpus(&self) -> bool {
        self.decision == Decision::Run && self.case.definition.gpus > 0
    }
}

/// Why `needed` GPUs cannot be had of those the machine has.
pub(crate) fn lack_of_gpus(needed: u32, available: &Result<u32, String>) -> Option<String> {
    let plural = if needed == 1 { "" } else { "s" };
    match available {
        Ok(available) if *available >= needed => None,
        Ok(available) => Some(format!("needs {needed} GPU{plural}, this machine has {available}")),
        Err(error) => Some(format!("needs {needed} GPU{plural}, none is known: {error}")),
    }
}
