//! The environment variables of the harness.

use std::ffi::OsString;
use std::fmt;

/// All of them.
const ALL: &[&str] = &[
    "DYNAMO_TEST_CONFIG",
    "DYNAMO_TEST_CONTROLLER",
    "DYNAMO_TEST_DIR",
    "DYNAMO_TEST_ETCD",
    "DYNAMO_TEST_ETCD_ENDPOINTS",
    "DYNAMO_TEST_ETCD_IMAGE",
    "DYNAMO_TEST_FAILED",
    "DYNAMO_TEST_FAILED_FIRST",
    "DYNAMO_TEST_FAIL_FAST",
    "DYNAMO_TEST_GPUS",
    "DYNAMO_TEST_GPU_LEASES",
    "DYNAMO_TEST_GPU_RESERVE_AFTER",
    "DYNAMO_TEST_GPU_RESIDENTS",
    "DYNAMO_TEST_LIFECYCLE",
    "DYNAMO_TEST_MARK",
    "DYNAMO_TEST_MAX_FAIL",
    "DYNAMO_TEST_MAX_VRAM",
    "DYNAMO_TEST_NATS_CA",
    "DYNAMO_TEST_NATS_CREDS",
    "DYNAMO_TEST_NATS_IMAGE",
    "DYNAMO_TEST_NATS_SERVER",
    "DYNAMO_TEST_NATS_URL",
    "DYNAMO_TEST_NVML_LIBRARY",
    "DYNAMO_TEST_REPEAT",
    "DYNAMO_TEST_REQUIRE_GPUS",
    "DYNAMO_TEST_RUN_TIMEOUT",
    "DYNAMO_TEST_SEED",
    "DYNAMO_TEST_SERVICES",
    "DYNAMO_TEST_SERVICE_TIMEOUT",
    "DYNAMO_TEST_SHUFFLE",
    "DYNAMO_TEST_SKIP",
    "DYNAMO_TEST_STRICT",
    "DYNAMO_TEST_TIMEOUT",
    "DYNAMO_TEST_UNTIL_FAIL",
];

/// A variable that makes no sense.
#[derive(Debug)]
pub(crate) enum BadVariable {
    /// Its value.
    Value { variable: &'static str, value: String, expected: &'static str },
    /// It and another, both set.
    Contradiction { one: &'static str, other: &'static str },
    /// Its name.
    Misspelt { name: String, near: &'static str },
}

impl fmt::Display for BadVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { variable, value, expected } => {
                write!(f, "{variable}={value:?} is not {expected}")
            }
            Self::Contradiction { one, other } => {
                write!(f, "{one} and {other} contradict each other: set one of them")
            }
            Self::Misspelt { name, near } => {
                write!(f, "no variable {name} is known: did you mean {near}?")
            }
        }
    }
}

/// Refuses a name that is nearly one of ours: misspelt, it would select everything in silence.
pub(crate) fn check_names(names: impl Iterator<Item = OsString>) -> Result<(), BadVariable> {
    let ours = names.filter_map(|name| name.into_string().ok());
    let suspects = ours.filter(|name| name.starts_with("DYNAMO_TEST_") && !ALL.contains(&&**name));
    for name in suspects {
        if let Some(near) = ALL.iter().copied().find(|known| strsim::levenshtein(known, &name) <= 2)
        {
            return Err(BadVariable::Misspelt { name, near });
        }
    }
    Ok(())
}
