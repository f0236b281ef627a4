//! The order in which cases start, and on which GPUs.
//!
//! Of those that need GPUs the widest and longest first, by GPUs × expected seconds; of those, whatever fits starts, where it leaves the
//! least memory unused. A case that does not fit holds up no other. Nothing here knows of processes, locks or time:
//! the same code schedules tests and simulations.

mod durations;
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod queue;

pub(crate) use durations::Durations;
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub use queue::{Admitted, Queue, worth_reserving};
