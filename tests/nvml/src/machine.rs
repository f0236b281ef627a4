//! The file that describes the GPUs.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

use serde::{Deserialize, Serialize};

/// The variable that names the file.
pub const MACHINE: &str = "NVML_STAND_IN_MACHINE";

/// What the library tells of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// How every call fails, if it does.
    pub failure: Option<Failure>,
    /// The GPUs, in the order of their indices.
    pub devices: Vec<Device>,
}

/// A GPU.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Device {
    /// `GPU-…`.
    pub uuid: String,
    /// What its maker calls it.
    pub name: String,
    /// All of its memory.
    pub memory_mib: u64,
    /// What the driver keeps for itself.
    pub reserved_mib: u64,
    /// What is in use by nobody that NVML knows.
    pub used_mib: u64,
    /// Major and minor.
    pub compute_capability: (i32, i32),
    /// Whether it is in MIG mode.
    pub mig: bool,
    /// How every call about it fails, if it does.
    pub failure: Option<Failure>,
    /// Processes that use it, beside those that called [`allocate`].
    pub processes: Vec<Process>,
}

impl Default for Device {
    fn default() -> Self {
        Self {
            uuid: String::new(),
            name: "NVIDIA H100 80GB HBM3".into(),
            memory_mib: 81_559,
            reserved_mib: 559,
            used_mib: 0,
            compute_capability: (9, 0),
            mig: false,
            failure: None,
            processes: Vec::new(),
        }
    }
}

/// A process that uses a GPU.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Process {
    /// Which one.
    pub pid: u32,
    /// How much memory it uses; none is what NVML says where it cannot tell.
    pub memory_mib: Option<u64>,
}

/// An error of NVML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// `NVML_ERROR_DRIVER_NOT_LOADED`.
    DriverNotLoaded,
    /// `NVML_ERROR_NO_PERMISSION`.
    NoPermission,
    /// `NVML_ERROR_GPU_IS_LOST`.
    GpuLost,
    /// `NVML_ERROR_UNKNOWN`.
    Unknown,
}

impl Machine {
    /// So many H100s, `GPU-0`, `GPU-1`, ….
    pub fn of(count: usize) -> Self {
        let device = |index| Device { uuid: format!("GPU-{index}"), ..Device::default() };
        Self { failure: None, devices: (0..count).map(device).collect() }
    }

    /// Describes the machine in a file; a reader sees the old one or the new one, nothing between.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let unfinished = file.with_extension(format!("{}.new", process::id()));
        fs::write(&unfinished, serde_json::to_vec(self)?)?;
        fs::rename(unfinished, file)
    }

    /// The machine of [`MACHINE`], with what processes have [allocated](allocate).
    pub(crate) fn read() -> Option<Self> {
        let file = PathBuf::from(env::var_os(MACHINE)?);
        let mut machine: Self = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
        for device in &mut machine.devices {
            device.processes.extend(allocations(&file, &device.uuid));
        }
        Some(machine)
    }
}

/// Uses so much memory of a GPU of [`MACHINE`] from now on, until the process ends.
pub fn allocate(uuid: &str, memory_mib: u64) -> io::Result<()> {
    let file = env::var_os(MACHINE)
        .ok_or_else(|| io::Error::other(format!("{MACHINE} names no file: no GPU is there")))?;
    let folder = allocations_folder(Path::new(&file), uuid);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(process::id().to_string()), memory_mib.to_string())
}

/// Whether a program has started NVML since the file was there.
pub fn was_started(file: &Path) -> bool {
    beside(file, ".started").exists()
}

pub(crate) fn note_start() {
    if let Some(file) = env::var_os(MACHINE) {
        // Only tests look for it, and they would see that it is missing.
        let _ = fs::write(beside(Path::new(&file), ".started"), "");
    }
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn allocations_folder(file: &Path, uuid: &str) -> PathBuf {
    beside(file, ".allocations").join(uuid)
}

/// What processes that still run have allocated.
fn allocations(file: &Path, uuid: &str) -> Vec<Process> {
    let Ok(entries) = fs::read_dir(allocations_folder(file, uuid)) else { return Vec::new() };
    let of_entry = |entry: fs::DirEntry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let memory_mib = fs::read_to_string(entry.path()).ok()?.parse().ok()?;
        is_alive(pid).then_some(Process { pid, memory_mib: Some(memory_mib) })
    };
    entries.flatten().filter_map(of_entry).collect()
}

/// A zombie has given its memory back.
fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, Some('Z' | 'X') | None))
}
