use std::fmt;

use super::Marker;

/// A stage of development. Each runs what the earlier ones run, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lifecycle {
    /// Before a change is merged.
    Premerge,
    /// After a change was merged.
    Postmerge,
    /// Every night.
    Nightly,
    /// Every week.
    Weekly,
    /// Before a release.
    Release,
}

impl Lifecycle {
    /// All of them, the earliest first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Premerge, Self::Postmerge, Self::Nightly, Self::Weekly, Self::Release];

    /// Its marker's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Premerge => "premerge",
            Self::Postmerge => "postmerge",
            Self::Nightly => "nightly",
            Self::Weekly => "weekly",
            Self::Release => "release",
        }
    }

    /// The lifecycle that a marker stands for.
    pub(crate) fn of(marker: &Marker) -> Option<Self> {
        Self::ALL.into_iter().find(|lifecycle| lifecycle.name() == marker.name)
    }
}

impl fmt::Display for Lifecycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
