//! NVML's functions, as far as dynamo-test calls them. A handle is the GPU's index plus one, so that it is not null.
//!
//! Pointers are the caller's, valid for what NVML's documentation says of each function.
#![allow(
    non_snake_case,
    missing_docs,
    unreachable_pub,
    reason = "the names are NVML's, for its users alone"
)]
#![allow(clippy::missing_safety_doc, reason = "the contracts are NVML's")]

use std::ffi::{CStr, c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings as sys;
use sys::{nvmlDevice_t, nvmlReturn_t};

use crate::{Device, Failure, Machine};

const SUCCESS: nvmlReturn_t = sys::nvmlReturn_enum_NVML_SUCCESS;
const MIB: u64 = 1 << 20;

impl Failure {
    fn code(self) -> nvmlReturn_t {
        match self {
            Self::DriverNotLoaded => sys::nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED,
            Self::NoPermission => sys::nvmlReturn_enum_NVML_ERROR_NO_PERMISSION,
            Self::GpuLost => sys::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST,
            Self::Unknown => sys::nvmlReturn_enum_NVML_ERROR_UNKNOWN,
        }
    }
}

fn code(result: Result<(), nvmlReturn_t>) -> nvmlReturn_t {
    result.err().unwrap_or(SUCCESS)
}

fn machine() -> Result<Machine, nvmlReturn_t> {
    let machine = Machine::read().ok_or(sys::nvmlReturn_enum_NVML_ERROR_UNKNOWN)?;
    machine.failure.map_or(Ok(machine), |failure| Err(failure.code()))
}

fn device(handle: nvmlDevice_t) -> Result<Device, nvmlReturn_t> {
    let index = (handle as usize).wrapping_sub(1);
    let device = machine()?.devices.into_iter().nth(index);
    let device = device.ok_or(sys::nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST)?;
    device.failure.map_or(Ok(device), |failure| Err(failure.code()))
}

/// Hands `value` to the caller.
///
/// # Safety
///
/// `place` is null or valid for a write.
unsafe fn hand<T>(place: *mut T, value: T) -> Result<(), nvmlReturn_t> {
    if place.is_null() {
        return Err(sys::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT);
    }
    // SAFETY: not null, so valid, as the caller promises.
    unsafe { place.write(value) };
    Ok(())
}

/// Hands a string to the caller.
///
/// # Safety
///
/// `place` is valid for `length` bytes.
unsafe fn hand_text(place: *mut c_char, length: c_uint, text: &str) -> Result<(), nvmlReturn_t> {
    if text.len() >= length as usize {
        return Err(sys::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE);
    }
    // SAFETY: the text and its end fit, as was just seen.
    unsafe {
        place.copy_from_nonoverlapping(text.as_ptr().cast(), text.len());
        place.add(text.len()).write(0);
    }
    Ok(())
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    code(machine().map(|_| crate::machine::note_start()))
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlErrorString(_code: nvmlReturn_t) -> *const c_char {
    c"an error of the stand-in".as_ptr()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(
    version: *mut c_char,
    length: c_uint,
) -> nvmlReturn_t {
    // SAFETY: NVML's contract.
    code(unsafe { hand_text(version, length, "570.00") })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> nvmlReturn_t {
    // SAFETY: NVML's contract.
    code(machine().and_then(|machine| unsafe { hand(count, machine.devices.len() as c_uint) }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(
    index: c_uint,
    handle: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    code(machine().and_then(|machine| {
        let found = machine.devices.get(index as usize);
        let found = found.ok_or(sys::nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT)?;
        // A lost GPU gives no handle; other errors come later.
        if found.failure == Some(Failure::GpuLost) {
            return Err(Failure::GpuLost.code());
        }
        // SAFETY: NVML's contract.
        unsafe { hand(handle, (index as usize + 1) as nvmlDevice_t) }
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByUUID(
    uuid: *const c_char,
    handle: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    code(machine().and_then(|machine| {
        // SAFETY: NVML's contract.
        let uuid = unsafe { CStr::from_ptr(uuid) };
        let same = |device: &Device| device.uuid.as_bytes() == uuid.to_bytes();
        let index = machine.devices.iter().position(same);
        let index = index.ok_or(sys::nvmlReturn_enum_NVML_ERROR_NOT_FOUND)?;
        // SAFETY: NVML's contract.
        unsafe { hand(handle, (index + 1) as nvmlDevice_t) }
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(
    handle: nvmlDevice_t,
    uuid: *mut c_char,
    length: c_uint,
) -> nvmlReturn_t {
    // SAFETY: NVML's contract.
    code(device(handle).and_then(|device| unsafe { hand_text(uuid, length, &device.uuid) }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(
    handle: nvmlDevice_t,
    name: *mut c_char,
    length: c_uint,
) -> nvmlReturn_t {
    // SAFETY: NVML's contract.
    code(device(handle).and_then(|device| unsafe { hand_text(name, length, &device.name) }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(
    handle: nvmlDevice_t,
    memory: *mut sys::nvmlMemory_v2_t,
) -> nvmlReturn_t {
    code(device(handle).and_then(|device| {
        let by_processes = device.processes.iter().filter_map(|process| process.memory_mib);
        let used = device.used_mib + by_processes.sum::<u64>();
        let taken = used + device.reserved_mib;
        let info = sys::nvmlMemory_v2_t {
            version: 2,
            total: device.memory_mib * MIB,
            reserved: device.reserved_mib * MIB,
            free: device.memory_mib.saturating_sub(taken) * MIB,
            used: used * MIB,
        };
        // SAFETY: NVML's contract.
        unsafe { hand(memory, info) }
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCudaComputeCapability(
    handle: nvmlDevice_t,
    major: *mut c_int,
    minor: *mut c_int,
) -> nvmlReturn_t {
    code(device(handle).and_then(|device| {
        // SAFETY: NVML's contract.
        unsafe { hand(major, device.compute_capability.0) }?;
        // SAFETY: NVML's contract.
        unsafe { hand(minor, device.compute_capability.1) }
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMigMode(
    handle: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    code(device(handle).and_then(|device| {
        // SAFETY: NVML's contract.
        unsafe { hand(current, device.mig.into()) }?;
        // SAFETY: NVML's contract.
        unsafe { hand(pending, device.mig.into()) }
    }))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    handle: nvmlDevice_t,
    count: *mut c_uint,
    places: *mut sys::nvmlProcessInfo_t,
) -> nvmlReturn_t {
    code(device(handle).and_then(|device| {
        let found = device.processes;
        // SAFETY: NVML's contract: it holds how many places there are.
        let room = unsafe { count.read() } as usize;
        // SAFETY: NVML's contract.
        unsafe { hand(count, found.len() as c_uint) }?;
        if found.len() > room {
            return Err(sys::nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE);
        }
        for (position, process) in found.iter().enumerate() {
            let info = sys::nvmlProcessInfo_t {
                pid: process.pid,
                usedGpuMemory: process.memory_mib.map_or(u64::MAX, |mib| mib * MIB),
                gpuInstanceId: u32::MAX,
                computeInstanceId: u32::MAX,
            };
            // SAFETY: NVML's contract: there is room for so many.
            unsafe { hand(places.add(position), info) }?;
        }
        Ok(())
    }))
}
