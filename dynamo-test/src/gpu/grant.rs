use serde::{Deserialize, Serialize};

/// A GPU that was leased to a case; travels to its worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GpuGrant {
    /// In the order of the PCI bus, as `nvidia-smi` counts.
    pub(crate) index: u32,
    pub(crate) uuid: String,
    pub(crate) name: String,
    pub(crate) total_mib: u64,
    pub(crate) leased_mib: u64,
}

impl GpuGrant {
    /// The value of `CUDA_VISIBLE_DEVICES` that shows these GPUs and no other.
    pub(crate) fn visible_devices(grants: &[Self]) -> String {
        let uuids: Vec<&str> = grants.iter().map(|grant| grant.uuid.as_str()).collect();
        uuids.join(",")
    }
}
