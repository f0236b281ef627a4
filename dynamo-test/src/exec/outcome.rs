use serde::{Deserialize, Serialize};

/// What became of a case that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It did what it promised.
    Passed,
    /// The test itself failed: it panicked, returned an error, or did not panic where it should.
    Failed {
        message: String,
        /// `file:line:column` of the panic.
        #[serde(skip_serializing_if = "Option::is_none")]
        place: Option<String>,
    },
    /// The test was not to blame: a fixture or service could not be set up or cleaned up, or died.
    Error { message: String },
    /// Its process ended before it did.
    Crashed { message: String },
}

impl Outcome {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), place: None }
    }

    pub(crate) fn error(message: impl ToString) -> Self {
        Self::Error { message: message.to_string() }
    }

    pub(crate) fn passed(&self) -> bool {
        *self == Self::Passed
    }

    /// One word for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Error { .. } => "error",
            Self::Crashed { .. } => "crashed",
        }
    }

    /// What a person reads first, the outcome's name included.
    pub(crate) fn headline(&self) -> String {
        match self {
            Self::Passed => self.name().into(),
            Self::Failed { message, place: Some(place) } => {
                format!("failed: panicked at {place}: {message}")
            }
            Self::Failed { message, place: None }
            | Self::Error { message }
            | Self::Crashed { message } => format!("{}: {message}", self.name()),
        }
    }
}
