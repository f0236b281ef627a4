//! Who holds something that others wait for, as it is written down where it is held. Whether it is still held, only
//! the kernel's lock tells.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A case that holds something, and the process that holds it for the case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    /// The process whose end gives it back.
    pub(crate) pid: u32,
    /// What the run is of.
    pub(crate) run: String,
    pub(crate) case: String,
    /// Milliseconds since 1970.
    pub(crate) since: u64,
}

impl Holder {
    /// This process, from now on.
    pub(crate) fn from_now_on(run: &str, case: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            pid: std::process::id(),
            run: run.into(),
            case: case.into(),
            since: since.as_millis() as u64,
        }
    }
}

/// `router::routes (my-crate --test cluster, process 4711) for 2m`
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, run, case, since } = self;
        let since = UNIX_EPOCH + Duration::from_millis(*since);
        let held = SystemTime::now().duration_since(since).unwrap_or_default().as_secs();
        let held = humantime::format_duration(Duration::from_secs(held));
        write!(f, "{case} ({run}, process {pid}) for {held}")
    }
}
