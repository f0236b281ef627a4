//! The order in which cases that need GPUs start, and on which.
//!
//! The widest and longest first, by GPUs × expected seconds; of those, whatever fits starts, where it leaves the
//! least memory unused. A case that does not fit holds up no other. Nothing here knows of processes, locks or time:
//! the same code schedules tests and simulations.

mod durations;
mod queue;

pub(crate) use durations::Durations;
pub use queue::{Admitted, Queue, worth_reserving};
