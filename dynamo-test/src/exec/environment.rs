//! The environment of a case. It is set before a process starts; only a case that runs in the controller itself
//! needs it changed in a running one.

use std::collections::BTreeSet;
use std::env;
use std::sync::LazyLock;

use crate::case::{Definition, Registry};
use crate::fixture::Grants;
use crate::gpu::GpuGrant;
use crate::service::CONTROLLER_VARIABLE;

/// Where Dynamo's components look for servers, and for how to get in.
const OF_DYNAMO: [&str; 7] = [
    "NATS_SERVER",
    "NATS_AUTH_USERNAME",
    "NATS_AUTH_PASSWORD",
    "NATS_AUTH_TOKEN",
    "NATS_AUTH_NKEY",
    "NATS_AUTH_CREDENTIALS_FILE",
    "ETCD_ENDPOINTS",
];

/// These, and where the code under test looks for servers of the project's own services. A case that did not ask for one
/// shall not find an ambient one.
static SERVICES: LazyLock<BTreeSet<&str>> = LazyLock::new(|| {
    let mut variables = Registry::collect().service_variables();
    variables.extend(OF_DYNAMO);
    variables
});

/// Variables for a case: its value, or that it must be absent.
pub(super) type Environment = Vec<(&'static str, Option<String>)>;

/// What a case's process has beyond the run's own environment: the variables of its services and GPUs, and those that its
/// attribute sets. The variables of services that were not granted are absent, and no GPU is visible that was not
/// leased, so that a case never uses what it did not ask for.
pub(super) fn of(definition: &Definition, grants: &Grants) -> Environment {
    let granted = grants.environment();
    let is_missing = |name: &&str| granted.iter().all(|(known, _)| known != name);
    let missing: Vec<_> =
        SERVICES.iter().copied().filter(is_missing).map(|name| (name, None)).collect();
    let granted = granted.into_iter().map(|(name, value)| (name, Some(value)));
    let controller = (CONTROLLER_VARIABLE, Some(std::process::id().to_string()));
    let own =
        definition.settings.env.iter().map(|(name, value)| (*name, Some((*value).to_owned())));
    missing
        .into_iter()
        .chain(granted)
        .chain([controller])
        .chain(own)
        .chain(gpus(&grants.gpus))
        .collect()
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
