//! Which GPUs of the machine are ours: `CUDA_VISIBLE_DEVICES` from outside limits them, and so does Slurm.

use super::driver::{Device, Unusable};

/// What the environment says of the GPUs that are ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// `CUDA_VISIBLE_DEVICES`, if it is set.
    pub(crate) visible_devices: Option<String>,
    /// Whether this is a Slurm job.
    pub(crate) in_slurm_job: bool,
    /// Whether the GPUs that NVML shows are fewer than the machine has, so that something confines us to them.
    pub(crate) confined: bool,
}

impl Surroundings {
    /// Our own, where NVML shows so many GPUs.
    pub(crate) fn of_this_process(shown: usize) -> Self {
        let on_machine = std::fs::read_dir("/proc/driver/nvidia/gpus").map(Iterator::count);
        Self {
            visible_devices: std::env::var_os("CUDA_VISIBLE_DEVICES")
                .map(|value| value.to_string_lossy().into_owned()),
            in_slurm_job: std::env::var_os("SLURM_JOB_ID").is_some(),
            confined: on_machine.is_ok_and(|there| there > shown),
        }
    }

    /// Leaves of `devices` those that are ours, and says what took the others away.
    ///
    /// `CUDA_VISIBLE_DEVICES` is read as CUDA reads it: indices, UUIDs or beginnings of them; the first entry that
    /// names nothing ends the list. Indices count in the order of the PCI bus.
    pub(crate) fn limit(&self, devices: &mut Vec<Device>, unusable: &[Unusable]) -> Option<String> {
        let Some(value) = &self.visible_devices else {
            if self.in_slurm_job && !self.confined {
                devices.clear();
                return Some(
                    "this Slurm job was given none: CUDA_VISIBLE_DEVICES is not set (ask Slurm with --gpus)".into(),
                );
            }
            return None;
        };
        let mut ours: Vec<&Device> = Vec::new();
        for entry in value.split(',').map(str::trim) {
            match device_of(entry, devices) {
                Some(device) if !ours.contains(&device) => ours.push(device),
                Some(_) => {}
                None if is_unusable(entry, unusable) => {}
                None => break,
            }
        }
        let less = ours.len() < devices.len();
        let uuids: Vec<String> = ours.into_iter().map(|device| device.uuid.clone()).collect();
        devices.retain(|device| uuids.contains(&device.uuid));
        less.then(|| {
            let mig =
                if value.contains("MIG-") { ", a MIG device: whole GPUs are leased" } else { "" };
            format!("CUDA_VISIBLE_DEVICES is {value:?}{mig}")
        })
    }
}

fn is_unusable(entry: &str, unusable: &[Unusable]) -> bool {
    let index = entry.parse::<u32>().ok();
    let bears_it = |uuid: &str| entry.starts_with("GPU-") && uuid.starts_with(entry);
    unusable
        .iter()
        .any(|device| index == Some(device.index) || device.uuid.as_deref().is_some_and(bears_it))
}

/// The device of this index, this UUID, or the only UUID that begins so.
fn device_of<'a>(entry: &str, devices: &'a [Device]) -> Option<&'a Device> {
    if let Ok(index) = entry.parse::<u32>() {
        return devices.iter().find(|device| device.index == index);
    }
    let mut named =
        devices.iter().filter(|device| entry.starts_with("GPU-") && device.uuid.starts_with(entry));
    // A beginning that fits several names none.
    named.next().filter(|device| device.uuid == entry || named.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    fn devices() -> Vec<Device> {
        let device = |index, uuid: &str| Device {
            index,
            uuid: uuid.into(),
            name: "NVIDIA L40S".into(),
            compute_capability: (8, 9),
            total_mib: 46_068,
            usable_mib: 45_500,
        };
        vec![device(0, "GPU-aa00"), device(1, "GPU-aa11"), device(3, "GPU-bb33")]
    }

    fn unusable() -> Vec<Unusable> {
        vec![Unusable { index: 2, uuid: Some("GPU-cc22".into()), why: "it is in MIG mode".into() }]
    }

    fn left_by(surroundings: &Surroundings) -> Vec<u32> {
        let mut devices = devices();
        surroundings.limit(&mut devices, &unusable());
        devices.iter().map(|device| device.index).collect()
    }

    fn visible(value: &str) -> Vec<u32> {
        left_by(&Surroundings { visible_devices: Some(value.into()), ..Surroundings::default() })
    }

    #[dynamo_test]
    fn what_is_visible_is_read_as_cuda_reads_it() {
        assert_eq!(visible("0,1,3"), [0, 1, 3]);
        assert_eq!(visible("3,0"), [0, 3]);
        assert_eq!(visible("2,3"), [3], "one that is there, but cannot be used");
        assert_eq!(visible("GPU-cc22,3"), [3], "the same by its UUID");
        assert_eq!(visible("GPU-bb33, 0"), [0, 3]);
        assert_eq!(visible("GPU-bb"), [3]);
        assert!(visible("GPU-aa").is_empty(), "a beginning of two UUIDs");
        assert_eq!(visible("0,-1,1"), [0], "what names nothing ends the list");
        assert_eq!(visible("0,7,1"), [0]);
        assert!(visible("").is_empty());
        assert!(visible("NoDevFiles").is_empty(), "what Slurm sets for none");
        assert!(visible("MIG-5c89852c-5f72-5c9d-a8ef-3c1ecdb9fd4d").is_empty());
    }

    #[dynamo_test]
    fn a_slurm_job_that_was_given_none_has_none() {
        let slurm = Surroundings { in_slurm_job: true, ..Surroundings::default() };
        assert!(left_by(&slurm).is_empty());
        assert_eq!(left_by(&Surroundings { confined: true, ..slurm.clone() }), [0, 1, 3]);
        assert_eq!(left_by(&Surroundings { visible_devices: Some("1".into()), ..slurm }), [1]);
        assert_eq!(left_by(&Surroundings::default()), [0, 1, 3]);
    }

    #[dynamo_test]
    fn what_took_gpus_away_is_said() {
        let limit = |value: &str| {
            let set = Some(value.into());
            Surroundings { visible_devices: set, ..Surroundings::default() }
                .limit(&mut devices(), &unusable())
        };
        assert_eq!(limit("0").unwrap(), "CUDA_VISIBLE_DEVICES is \"0\"");
        assert_eq!(limit("0,1,3"), None);
        assert!(limit("MIG-1").unwrap().contains("MIG device"));
    }
}
