//! NVML: the NVIDIA driver's own account of its GPUs.

use std::env;
use std::ffi::OsString;

use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device as Handle, Nvml};

/// The variable that names another NVML library than the driver's.
const LIBRARY: &str = "DYNAMO_TEST_NVML_LIBRARY";

const MIB: u64 = 1 << 20;

/// The NVIDIA driver of the machine.
pub(crate) struct Driver {
    nvml: Nvml,
}

/// A GPU as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// In the order of the PCI bus, as `nvidia-smi` counts.
    pub(crate) index: u32,
    pub(crate) uuid: String,
    pub(crate) name: String,
    /// Major and minor.
    pub(crate) compute_capability: (u32, u32),
    pub(crate) total_mib: u64,
    /// What the driver does not keep for itself.
    pub(crate) usable_mib: u64,
}

/// A GPU that nothing can be leased of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub(crate) index: u32,
    /// Unless not even that can be told.
    pub(crate) uuid: Option<String>,
    pub(crate) why: String,
}

/// What of a GPU is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// By whomever, the driver itself included.
    pub(crate) used_mib: u64,
    /// What of it the driver keeps for itself.
    pub(crate) reserved_mib: u64,
    /// The processes that compute on it, with what each uses where NVML can tell.
    pub(crate) processes: Vec<(u32, Option<u64>)>,
}

/// Why it cannot be told what of a GPU is in use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub(crate) struct NoUsage {
    why: String,
    /// Whether it will not be told later either.
    pub(crate) is_lost: bool,
}

/// Why no GPU is known.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum DriverError {
    #[error("no NVIDIA driver is installed ({library} not found)")]
    NoLibrary { library: String },
    #[error("the NVIDIA driver is not loaded")]
    NotLoaded,
    #[error("this user may not talk to the NVIDIA driver")]
    NoPermission,
    #[error("NVML: {0}")]
    Nvml(String),
}

impl DriverError {
    fn new(error: NvmlError, library: &str) -> Self {
        match error {
            NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
                Self::NoLibrary { library: library.into() }
            }
            NvmlError::DriverNotLoaded => Self::NotLoaded,
            NvmlError::NoPermission => Self::NoPermission,
            error => Self::Nvml(error.to_string()),
        }
    }
}

impl Driver {
    /// Loads the driver's library, which takes it some 10 to 100 ms on a real machine.
    pub(crate) fn load() -> Result<Self, DriverError> {
        // Not the name without a version that nvml-wrapper prefers: only the toolkit installs that one.
        let library = env::var_os(LIBRARY).filter(|path| !path.is_empty());
        let library = library.unwrap_or_else(|| OsString::from("libnvidia-ml.so.1"));
        let nvml = Nvml::builder().lib_path(&library).init();
        let nvml = nvml.map_err(|error| DriverError::new(error, &library.to_string_lossy()))?;
        Ok(Self { nvml })
    }

    /// Every GPU, with why nothing can be leased of it where that is so.
    pub(crate) fn devices(&self) -> Result<Vec<Result<Device, Unusable>>, DriverError> {
        let count = self.nvml.device_count().map_err(|error| DriverError::new(error, ""))?;
        Ok((0..count).map(|index| self.device(index)).collect())
    }

    fn device(&self, index: u32) -> Result<Device, Unusable> {
        let unusable = |why: String| {
            let uuid = self.nvml.device_by_index(index).and_then(|handle| handle.uuid());
            Unusable { index, uuid: uuid.ok(), why }
        };
        let found = || {
            let handle = self.nvml.device_by_index(index)?;
            let capability = handle.cuda_compute_capability()?;
            let memory = handle.memory_info()?;
            let device = Device {
                index,
                uuid: handle.uuid()?,
                name: handle.name()?,
                // Neither is ever negative.
                compute_capability: (capability.major as u32, capability.minor as u32),
                total_mib: memory.total / MIB,
                usable_mib: memory.total.saturating_sub(memory.reserved) / MIB,
            };
            Ok((device, is_in_mig_mode(&handle)?))
        };
        match found() {
            Ok((device, false)) => Ok(device),
            Ok((_, true)) => Err(unusable("it is in MIG mode, and whole GPUs are leased".into())),
            Err(error) => Err(unusable(describe(&error))),
        }
    }

    /// What of a GPU is in use now; the error says why that cannot be told.
    pub(crate) fn usage(&self, uuid: &str) -> Result<Usage, NoUsage> {
        let usage = || {
            let handle = self.nvml.device_by_uuid(uuid)?;
            let memory = handle.memory_info()?;
            let processes = handle.running_compute_processes()?;
            Ok(Usage {
                used_mib: memory.total.saturating_sub(memory.free).div_ceil(MIB),
                reserved_mib: memory.reserved / MIB,
                processes: processes
                    .into_iter()
                    .map(|process| (process.pid, known_mib(process.used_gpu_memory)))
                    .collect(),
            })
        };
        usage().map_err(|error: NvmlError| NoUsage {
            why: describe(&error),
            is_lost: matches!(error, NvmlError::GpuLost),
        })
    }

    /// What the processes that `belongs` knows use of a GPU, in MiB; `None` where NVML cannot tell.
    pub(crate) fn used_by(&self, uuid: &str, mut belongs: impl FnMut(u32) -> bool) -> Option<u64> {
        let processes =
            self.nvml.device_by_uuid(uuid).and_then(|it| it.running_compute_processes());
        let ours = processes.ok()?.into_iter().filter(|process| belongs(process.pid));
        ours.map(|process| known_mib(process.used_gpu_memory)).sum()
    }
}

fn known_mib(memory: UsedGpuMemory) -> Option<u64> {
    match memory {
        UsedGpuMemory::Used(bytes) => Some(bytes.div_ceil(MIB)),
        UsedGpuMemory::Unavailable => None,
    }
}

fn is_in_mig_mode(handle: &Handle<'_>) -> Result<bool, NvmlError> {
    match handle.mig_mode() {
        Ok(mode) => Ok(mode.current != 0),
        // Cards, and drivers, that know no MIG.
        Err(NvmlError::NotSupported | NvmlError::FailedToLoadSymbol(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn describe(error: &NvmlError) -> String {
    match error {
        NvmlError::GpuLost => "it has fallen off the bus".into(),
        NvmlError::NoPermission => "this user may not use it".into(),
        error => format!("NVML: {error}"),
    }
}
