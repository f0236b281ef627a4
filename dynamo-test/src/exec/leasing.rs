use std::sync::Arc;
use std::time::Duration;

use super::board::Board;
use super::serial::Groups;
use super::slots::Slots;
use super::turns::{Request, Turns};
use crate::gpu::{self, GpuOptions, Need};

/// The way by which a case comes to its GPUs, for measurements of it.
pub struct Leasing(Arc<Turns>);

impl Leasing {
    /// Starts NVML, and finds the machine's GPUs. How many there are; the error says why none is known.
    pub fn start() -> Result<(Self, usize), String> {
        let machine = gpu::machine().map_err(ToString::to_string)?;
        let slots = Slots::new(usize::MAX);
        let run = || "a measurement".to_owned();
        // No case is in a group, so there is no folder.
        let groups = Arc::new(Groups::new("".into(), run()));
        // As by default.
        let options = GpuOptions { residents: 2, reserve_after: Duration::from_secs(60) };
        let turns = Turns::new(slots, options, run(), groups, 0);
        Ok((Self(turns), machine.devices.len()))
    }

    /// Waits for GPUs. They are leased until what is returned is dropped.
    pub fn lease(&self, need: Need) -> Result<impl Sized + use<>, String> {
        let case = "a_measurement";
        let request = Request { case, need, expected_seconds: 1.0, group: None };
        self.0.take(request, &Arc::new(Board::default()).enter(case))
    }
}
