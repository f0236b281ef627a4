use std::sync::LazyLock;

use super::driver::{Device, Driver, DriverError, Unusable};
use super::visible::Surroundings;
use crate::gpu::Need;

/// The machine's GPUs, as they were found at first need.
pub(crate) struct Machine {
    pub(crate) driver: Driver,
    /// Those that are ours.
    pub(crate) devices: Vec<Device>,
    /// Those that nothing can be leased of.
    pub(crate) unusable: Vec<Unusable>,
    /// What limits us to fewer GPUs than there are.
    pub(crate) limit: Option<String>,
}

/// The machine's GPUs, or why none is known. Loads the driver's library: ask at first need.
pub(crate) fn machine() -> Result<&'static Machine, &'static DriverError> {
    static MACHINE: LazyLock<Result<Machine, DriverError>> = LazyLock::new(Machine::find);
    MACHINE.as_ref()
}

/// Why a need cannot be met on this machine, whatever becomes free.
pub(crate) fn lack(need: &Need) -> Option<String> {
    match machine() {
        Ok(machine) => machine.lack(need),
        Err(error) => Some(format!("needs {need}, none is known: {error}")),
    }
}

impl Machine {
    fn find() -> Result<Self, DriverError> {
        let driver = Driver::load()?;
        let (mut devices, mut unusable) = (Vec::new(), Vec::new());
        for device in driver.devices()? {
            match device {
                Ok(device) => devices.push(device),
                Err(why) => unusable.push(why),
            }
        }
        let surroundings = Surroundings::of_this_process(devices.len() + unusable.len());
        let limit = surroundings.limit(&mut devices, &unusable);
        Ok(Self { driver, devices, unusable, limit })
    }

    fn lack(&self, need: &Need) -> Option<String> {
        let suitable = self.devices.iter().filter(|device| device.suits(need)).count();
        if suitable >= need.count as usize {
            return None;
        }
        let there = self.devices.len();
        let mut lack = format!("needs {need}, this machine has {there}");
        if suitable < there {
            let such = if suitable == 0 { "none".into() } else { suitable.to_string() };
            lack.push_str(&format!(", of which {such} will do"));
        }
        for Unusable { index, why, .. } in &self.unusable {
            lack.push_str(&format!("; GPU {index} cannot be used: {why}"));
        }
        if let Some(limit) = &self.limit {
            lack.push_str(&format!("; {limit}"));
        }
        Some(lack)
    }
}

impl Device {
    /// Whether it would do if nobody used it.
    pub(crate) fn suits(&self, need: &Need) -> bool {
        need.suits(&self.name, self.compute_capability, self.usable_mib)
    }
}
