//! GPUs: what there is, as NVML tells, and who may use it, as the leases tell.

mod grant;
mod need;
mod options;

pub(crate) use grant::GpuGrant;
pub(crate) use need::Memory;
pub use need::Need;
pub(crate) use options::GpuOptions;

// GPUs are leased with locks that only Linux has.
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod card;
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod lease;
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod look;
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod nvidia;
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod peak;
#[cfg(all(feature = "gpu", target_os = "linux"))]
mod status;
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub use card::{Card, Reserved};
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub(crate) use lease::{Ask, Changes, Lease, LeaseError, Leased, Leases, Reservation};
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub(crate) use look::Look;
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub(crate) use nvidia::{Machine, lack, machine};
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub(crate) use peak::PeakMeter;
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub(crate) use status::status;

#[cfg(not(all(feature = "gpu", target_os = "linux")))]
mod absent;
#[cfg(not(all(feature = "gpu", target_os = "linux")))]
pub(crate) use absent::{lack, status};
