use std::time::Duration;

/// How a run shares the machine's GPUs with itself and others.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(all(feature = "gpu", target_os = "linux")),
    allow(dead_code, reason = "no case has GPUs")
)]
pub(crate) struct GpuOptions {
    /// How many cases a card may bear.
    pub(crate) residents: u32,
    /// How long a case waits for other runs before it keeps cards free for itself.
    pub(crate) reserve_after: Duration,
}
