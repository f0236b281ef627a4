//! Without the feature `gpu` the attribute refuses `gpus = N`, so nobody asks; outside Linux the answer is no.

use super::Need;

const WHY: &str = if cfg!(feature = "gpu") {
    "dynamo-test leases GPUs on Linux only"
} else {
    "dynamo-test was built without its feature `gpu`"
};

/// Why a need cannot be met on this machine.
pub(crate) fn lack(need: &Need) -> Option<String> {
    Some(format!("needs {need}, none is known: {WHY}"))
}

/// Every GPU with who uses it.
pub(crate) fn status() -> Result<String, String> {
    Err(format!("no GPU is known: {WHY}"))
}
