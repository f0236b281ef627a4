//! What workers and routers say to each other over etcd and NATS.
//!
//! | where | what |
//! |---|---|
//! | etcd key `kv-router/workers/<id>` | a [`WorkerInfo`] as JSON, under the worker's lease |
//! | NATS subject `kv-router.worker.<id>` | a request: the tokens of the prompt as a JSON array |
//! | the reply to it | a [`Reply`] as JSON: `{"Ok":[…]}` or `{"Err":"…"}` |

use std::fmt;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

/// The number that a tokenizer gave to a piece of text.
pub type Token = u32;

/// The tokens a worker generated, or why it could not.
pub(crate) type Reply = Result<Vec<Token>, String>;

pub(crate) const WORKERS: &str = "kv-router/workers/";

/// Names a registered worker: its etcd lease, written in hex.
///
/// A worker that registers anew gets another lease and so is another worker:
/// nothing that was known of the old one applies to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(i64);

/// What a worker tells about itself when it registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Blocks that fit into its KV cache.
    pub capacity: NonZeroUsize,
}

/// A registration in etcd that no worker of this version wrote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    #[error("key `{0}` does not end in a lease id in hex")]
    Key(String),
    #[error("value of key `{key}` does not describe a worker")]
    Value { key: String, source: serde_json::Error },
}

impl WorkerId {
    /// The worker that is registered under this etcd lease.
    pub fn from_lease(lease: i64) -> Self {
        Self(lease)
    }

    pub(crate) fn from_key(key: &[u8]) -> Result<Self, RegistrationError> {
        let key = String::from_utf8_lossy(key);
        key.strip_prefix(WORKERS)
            .and_then(|hex| Some(Self(i64::from_str_radix(hex, 16).ok()?)))
            // One worker, one key: no `+1f`, no `001f`, no `1F`.
            .filter(|id| id.key() == key)
            .ok_or_else(|| RegistrationError::Key(key.into_owned()))
    }

    /// The etcd lease that keeps the worker registered.
    pub fn lease(self) -> i64 {
        self.0
    }

    pub(crate) fn key(self) -> String {
        format!("{WORKERS}{self}")
    }

    pub(crate) fn subject(self) -> String {
        format!("kv-router.worker.{self}")
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl WorkerInfo {
    pub(crate) fn from_value(key: &[u8], value: &[u8]) -> Result<Self, RegistrationError> {
        serde_json::from_slice(value).map_err(|source| RegistrationError::Value {
            key: String::from_utf8_lossy(key).into_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_test::prelude::*;

    #[dynamo_test(unit)]
    fn a_key_names_the_worker_it_was_made_from() {
        let id = WorkerId::from_lease(0x1f);
        assert_eq!(id.key(), "kv-router/workers/1f");
        assert_eq!(WorkerId::from_key(id.key().as_bytes()).unwrap(), id);
    }

    #[dynamo_test(unit)]
    fn keys_that_no_worker_writes_are_refused() {
        for key in ["", "kv-router/workers/", "other/1f"] {
            WorkerId::from_key(key.as_bytes()).expect_err(key);
        }
        for id in ["1F", "001f", "+1f", "1f/x", "worker"] {
            let key = format!("{WORKERS}{id}");
            WorkerId::from_key(key.as_bytes()).expect_err(&key);
        }
    }

    #[dynamo_test(unit)]
    fn a_worker_without_capacity_is_refused() {
        let error = WorkerInfo::from_value(b"k", br#"{"capacity":0}"#).unwrap_err();
        assert_eq!(error.to_string(), "value of key `k` does not describe a worker");
    }
}
