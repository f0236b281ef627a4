//! What a case may have to wait for before it runs.

use std::fmt;
use std::path::PathBuf;
#[cfg(all(feature = "gpu", target_os = "linux"))]
use std::sync::{Arc, Mutex, PoisonError};

use super::serial;
#[cfg(all(feature = "gpu", target_os = "linux"))]
use crate::gpu::{Look, Need};

/// What a case waits for. Who has it is found out when it is shown: nobody waits longer because somebody looks.
#[derive(Clone)]
pub(crate) enum Wait {
    /// Its turn in a serial group.
    Group(GroupWait),
    /// A server that starts, is wiped, or is another case's.
    Server,
    #[cfg(all(feature = "gpu", target_os = "linux"))]
    Gpus(GpuWait),
}

/// The wait for a serial group.
#[derive(Clone)]
pub(crate) struct GroupWait {
    pub(super) group: &'static str,
    /// Its lock file, which says who has it.
    pub(super) file: PathBuf,
}

/// The wait for GPUs and, in a serial group, for its turn.
#[cfg(all(feature = "gpu", target_os = "linux"))]
#[derive(Clone)]
pub(crate) struct GpuWait {
    pub(super) ticket: u64,
    pub(super) need: Need,
    /// The GPUs at the last look.
    pub(super) look: Arc<Mutex<Look>>,
    pub(super) group: Option<GroupWait>,
}

/// `a server`, `2 GPUs (20 GiB each); GPU 0: leased to …`, `the serial group "ports"; taken by …`
impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => group.fmt(f),
            Self::Server => f.write_str("a server"),
            #[cfg(all(feature = "gpu", target_os = "linux"))]
            Self::Gpus(GpuWait { ticket, need, look, group }) => {
                let look = look.lock().unwrap_or_else(PoisonError::into_inner);
                match (look.obstacles(*ticket, need), group) {
                    (Some(obstacles), _) => write!(f, "{need}; {obstacles}"),
                    (None, Some(group)) => group.fmt(f),
                    (None, None) => need.fmt(f),
                }
            }
        }
    }
}

impl fmt::Display for GroupWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the serial group {:?}", self.group)?;
        match serial::holder(&self.file) {
            Some(holder) => write!(f, "; taken by {holder}"),
            None => Ok(()),
        }
    }
}
