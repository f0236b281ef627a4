//! The environment of a case. It is set before a process starts; only a case that runs in the controller itself
//! needs it changed in a running one.

use std::env;

use crate::case::Definition;
use crate::fixture::{Grants, Service};
use crate::gpu::GpuGrant;

/// Variables for a case: its value, or that it must be absent.
pub(super) type Environment = Vec<(&'static str, Option<String>)>;

/// What a case's process has beyond the run's own environment: the variables of its services and GPUs, and those that its
/// attribute sets. The variables of services that were not granted are absent, and no GPU is visible that was not
/// leased, so that a case never uses what it did not ask for.
pub(super) fn of(definition: &Definition, grants: &Grants) -> Environment {
    let granted = grants.environment();
    let services = Service::ALL.into_iter().map(Service::variable).map(|name| {
        let value = granted.iter().find(|(known, _)| *known == name);
        (name, value.map(|(_, value)| value.clone()))
    });
    let own = definition.env.iter().map(|(name, value)| (*name, Some((*value).to_owned())));
    services.chain(own).chain(gpus(&grants.gpus)).collect()
}

/// CUDA shows the GPUs that `CUDA_VISIBLE_DEVICES` names, none where it is empty, and reads it once in a process.
/// Without the feature `gpu` no case can ask for any, and what the user set stays.
fn gpus(granted: &[GpuGrant]) -> impl Iterator<Item = (&'static str, Option<String>)> {
    let visible = ("CUDA_VISIBLE_DEVICES", Some(GpuGrant::visible_devices(granted)));
    // For what insists on indices: `nvidia-smi` counts in this order, too.
    let order = ("CUDA_DEVICE_ORDER", Some("PCI_BUS_ID".into()));
    [visible, order].into_iter().filter(|_| cfg!(feature = "gpu"))
}

/// Makes `environment` this process's own.
///
/// # Safety
///
/// No other thread may read or write the environment meanwhile.
pub(super) unsafe fn adopt(environment: &Environment) {
    for (name, value) in environment {
        match value {
            // SAFETY: the caller's promise.
            Some(value) => unsafe { env::set_var(name, value) },
            // SAFETY: the caller's promise.
            None => unsafe { env::remove_var(name) },
        }
    }
}
