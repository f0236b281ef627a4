use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::proxy::{Conditions, Direction};

/// Something that befalls a server or the way to it, and that [`Server::heal`](crate::Server::heal) ends.
///
/// What a client sees of each is said at the method of [`Server`](crate::Server) that has its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// The server stands still.
    Pause,
    /// The server is killed. It starts again, on the same port and data, when the fault ends.
    Kill,
    /// The server is asked to end. It starts again, on the same port and data, when the fault ends.
    Stop,
    /// Nothing passes in this direction.
    Partition {
        /// The direction.
        direction: Direction,
    },
    /// Bytes arrive late, in both directions.
    Latency {
        /// How late, at least.
        latency: Duration,
        /// How much later than that, at most.
        jitter: Duration,
    },
    /// Bytes arrive slowly, in both directions.
    Bandwidth {
        /// How many a second.
        bytes_per_second: NonZeroU64,
    },
    /// New connections are refused.
    Refuse,
    /// The connections that there are break. This is over when it has happened.
    Reset,
    /// Every lease of etcd runs out. This is over when it has happened.
    ExpireLeases,
}

impl Fault {
    /// What the fault does to the network, if it is one of the network that lasts.
    pub(crate) fn conditions(self, before: Conditions) -> Option<Conditions> {
        let mut conditions = before;
        match self {
            Self::Partition { direction } => {
                conditions.passages(direction).for_each(|passage| passage.cut = true);
            }
            Self::Latency { latency, jitter } => {
                for passage in conditions.passages(Direction::Both) {
                    passage.latency = latency;
                    passage.jitter = jitter;
                }
            }
            Self::Bandwidth { bytes_per_second } => {
                for passage in conditions.passages(Direction::Both) {
                    passage.bytes_per_second = Some(bytes_per_second);
                }
            }
            Self::Refuse => conditions.refuse = true,
            Self::Pause | Self::Kill | Self::Stop | Self::Reset | Self::ExpireLeases => {
                return None;
            }
        }
        Some(conditions)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause => f.write_str("pause"),
            Self::Kill => f.write_str("kill"),
            Self::Stop => f.write_str("stop"),
            Self::Partition { direction: Direction::Both } => f.write_str("partition"),
            Self::Partition { direction: Direction::ToServer } => {
                f.write_str("partition to the server")
            }
            Self::Partition { direction: Direction::FromServer } => {
                f.write_str("partition from the server")
            }
            Self::Latency { latency, jitter } => {
                write!(f, "latency of {latency:?} and up to {jitter:?}")
            }
            Self::Bandwidth { bytes_per_second } => {
                write!(f, "bandwidth of {bytes_per_second} bytes/s")
            }
            Self::Refuse => f.write_str("refuse"),
            Self::Reset => f.write_str("reset"),
            Self::ExpireLeases => f.write_str("expiry of all leases"),
        }
    }
}
