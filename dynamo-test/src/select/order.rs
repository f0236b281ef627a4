//! In which order the cases come, where that was asked for.

use std::collections::BTreeSet;

use super::{Decision, Planned};
use crate::seed;

/// What orders the cases.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    /// The number that gives a random order.
    pub(crate) shuffle: Option<u64>,
    /// The names of the cases that come before others.
    pub(crate) first: BTreeSet<String>,
}

impl Order {
    /// Puts the cases into this order; those with GPUs stay before all others, because they wait without holding those
    /// up, and their own queue has the heaviest start first.
    ///
    /// Shuffled, each has its place by its name: of two cases the same comes first, whatever else was selected.
    pub(crate) fn arrange(&self, cases: &mut [Planned]) {
        if let Some(shuffle) = self.shuffle {
            cases.sort_by_cached_key(|planned| seed::of(shuffle, planned.case.name()));
        }
        if self.shuffle.is_some() || !self.first.is_empty() {
            cases.sort_by_key(|planned| {
                let on_gpus =
                    planned.decision == Decision::Run && planned.case.definition.settings.gpus > 0;
                (!on_gpus, !self.first.contains(planned.case.name()))
            });
        }
    }
}
