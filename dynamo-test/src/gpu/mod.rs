//! GPUs, as NVML tells of them.

/// How many NVIDIA GPUs the machine has, or why that cannot be told. Loads the driver's library: ask at first need.
#[cfg(feature = "gpu")]
pub(crate) fn count() -> Result<u32, String> {
    use nvml_wrapper::Nvml;
    use nvml_wrapper::error::NvmlError;

    let count = Nvml::init().and_then(|nvml| nvml.device_count());
    count.map_err(|error| match error {
        NvmlError::LibloadingError(_) => {
            "no NVIDIA driver is installed (libnvidia-ml.so.1 not found)".into()
        }
        NvmlError::DriverNotLoaded => "the NVIDIA driver is not loaded".into(),
        NvmlError::NoPermission => "this user may not talk to the NVIDIA driver".into(),
        error => format!("NVML: {error}"),
    })
}

/// Without the feature `gpu` the attribute refuses `gpus = N`, so nobody asks.
#[cfg(not(feature = "gpu"))]
pub(crate) fn count() -> Result<u32, String> {
    Err("dynamo-test was built without its feature `gpu`".into())
}
