use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::case::{Definition, Quarantine, Xfail};
use crate::stop::Stop;

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
    /// It did not end within its time.
    TimedOut { message: String },
    /// The run was told to stop before it ended, or before it started.
    Interrupted { signal: i32 },
    /// It did not start, because the run's time was over, or because enough cases had failed.
    NotBegun { reason: String },
    /// It skipped itself.
    Skipped { reason: String },
    /// It failed, as it says it would.
    #[serde(rename = "xfailed")]
    XFailed { reason: String, message: String },
    /// It passed, though it says it would fail; `strict` makes that a failure.
    #[serde(rename = "xpassed")]
    XPassed { reason: String, strict: bool },
    /// It failed, and is in quarantine.
    Quarantined { reason: String, message: String },
}

impl Outcome {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed { message: message.into(), place: None }
    }

    pub(crate) fn error(message: impl ToString) -> Self {
        Self::Error { message: message.to_string() }
    }

    pub(crate) fn timed_out(limit: Duration) -> Self {
        let limit = humantime::format_duration(limit);
        Self::TimedOut { message: format!("it did not end within {limit}") }
    }

    pub(crate) fn interrupted(signal: i32) -> Self {
        Self::Interrupted { signal }
    }

    /// What becomes of a case that comes after the run has stopped.
    pub(crate) fn not_begun(stop: Stop) -> Self {
        match stop {
            Stop::Signal(signal) => Self::interrupted(signal),
            Stop::TimeIsOver(_) | Stop::Failures(_) => Self::NotBegun { reason: stop.to_string() },
        }
    }

    pub(crate) fn passed(&self) -> bool {
        *self == Self::Passed
    }

    /// Whether it makes the run fail.
    pub(crate) fn fails_the_run(&self) -> bool {
        match self {
            Self::Failed { .. }
            | Self::Error { .. }
            | Self::Crashed { .. }
            | Self::TimedOut { .. }
            | Self::XPassed { strict: true, .. } => true,
            Self::Passed
            | Self::Interrupted { .. }
            | Self::NotBegun { .. }
            | Self::Skipped { .. }
            | Self::XFailed { .. }
            | Self::XPassed { strict: false, .. }
            | Self::Quarantined { .. } => false,
        }
    }

    /// Whether it is something to look into: it fails the run, or would but for its quarantine.
    pub(crate) fn is_a_failure(&self) -> bool {
        self.fails_the_run() || matches!(self, Self::Quarantined { .. })
    }

    /// What the case's own expectations make of it. `today` tells the date as the attribute writes it: `2027-01-31`.
    pub(crate) fn expected_by(self, definition: &Definition, today: fn() -> String) -> Self {
        match (definition.settings.xfail, definition.settings.quarantine) {
            (Some(Xfail { reason, strict }), _) => match self {
                Self::Passed => Self::XPassed { reason: reason.into(), strict },
                Self::Failed { .. } | Self::Crashed { .. } | Self::TimedOut { .. } => {
                    Self::XFailed { reason: reason.into(), message: self.headline() }
                }
                other => other,
            },
            (None, Some(Quarantine { ticket, until })) if self.fails_the_run() => {
                if *today() < *until {
                    let reason = format!("{ticket}, until {until}");
                    return Self::Quarantined { reason, message: self.headline() };
                }
                self.with_remark(&format!("(its quarantine, {ticket}, expired on {until})"))
            }
            (None, _) => self,
        }
    }

    /// The same failure, with something more to say of it.
    pub(super) fn with_remark(mut self, remark: &str) -> Self {
        if let Self::Failed { message, .. }
        | Self::Error { message }
        | Self::Crashed { message }
        | Self::TimedOut { message } = &mut self
        {
            message.push('\n');
            message.push_str(remark);
        }
        self
    }

    /// What a test had to say on its way out.
    pub(super) fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Failed { message, .. }
            | Self::Error { message }
            | Self::Crashed { message }
            | Self::TimedOut { message }
            | Self::XFailed { message, .. }
            | Self::Quarantined { message, .. } => Some(message),
            Self::NotBegun { reason } | Self::Skipped { reason } => Some(reason),
            Self::Passed | Self::Interrupted { .. } | Self::XPassed { .. } => None,
        }
    }

    /// Whether the case ran to an end of its own, from which something can be learnt.
    pub(crate) fn tells(&self) -> bool {
        !matches!(self, Self::Interrupted { .. } | Self::NotBegun { .. } | Self::Skipped { .. })
    }

    /// One word for it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Error { .. } => "error",
            Self::Crashed { .. } => "crashed",
            Self::TimedOut { .. } => "timed out",
            Self::Interrupted { .. } => "interrupted",
            Self::NotBegun { .. } => "not begun",
            Self::Skipped { .. } => "skipped",
            Self::XFailed { .. } => "xfailed",
            Self::XPassed { .. } => "xpassed",
            Self::Quarantined { .. } => "quarantined",
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
            | Self::Crashed { message }
            | Self::TimedOut { message } => format!("{}: {message}", self.name()),
            Self::Interrupted { signal } => format!("interrupted by signal {signal}"),
            Self::NotBegun { reason } => format!("not begun: {reason}"),
            Self::Skipped { reason } => format!("skipped: {reason}"),
            Self::XFailed { reason, message } => format!("xfailed ({reason}): {message}"),
            Self::XPassed { reason, .. } => {
                format!("xpassed: it passed, though it should fail ({reason}): remove its `xfail`")
            }
            Self::Quarantined { reason, message } => format!("quarantined ({reason}): {message}"),
        }
    }
}

/// The date in UTC, as the attribute writes dates.
pub(super) fn today() -> String {
    let mut now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    now.truncate("2027-01-31".len());
    now
}
