use crate::seed;

/// One execution of a case among its repetitions.
#[derive(Clone, Copy)]
pub(crate) struct Round {
    /// From 1.
    pub(crate) number: u32,
    /// What the cases' seeds derive from in it.
    pub(crate) seed: u64,
}

impl Round {
    /// A round of a run with this seed, which the first one has itself.
    pub(crate) fn of(run: u64, number: u32) -> Self {
        let seed = if number == 1 { run } else { seed::nth(run, number.into()) };
        Self { number, seed }
    }

    /// What tells the case's files in this round apart: nothing in the first.
    pub(super) fn suffix(self) -> String {
        if self.number == 1 { String::new() } else { format!(".{}", self.number) }
    }
}
