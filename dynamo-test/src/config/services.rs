use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{at_least_one, time};
use crate::service::Backend;

/// `[services]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub(crate) struct Services {
    pub(crate) backend: Backend,
    #[serde(deserialize_with = "time::deserialize")]
    pub(crate) ready_within: Duration,
    /// Without it, by the machine's cores.
    #[serde(default, deserialize_with = "some_at_least_one")]
    pub(crate) at_most: Option<NonZeroU32>,
    nats: ServiceSection,
    etcd: ServiceSection,
}

/// `[services.nats]`, `[services.etcd]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section")]
pub(crate) struct ServiceSection {
    pub(crate) backend: Option<Backend>,
    pub(crate) program: Option<PathBuf>,
    pub(crate) image: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) external: ExternalSection,
}

/// `external = { … }`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, expecting = "a section")]
pub(crate) struct ExternalSection {
    pub(crate) wipe: bool,
}

impl Services {
    /// What is set for a service of the library's.
    pub(crate) fn of(&self, service: &str) -> Option<&ServiceSection> {
        match service {
            "nats" => Some(&self.nats),
            "etcd" => Some(&self.etcd),
            _ => None,
        }
    }
}

fn some_at_least_one<'de, D: serde::Deserializer<'de>>(
    value: D,
) -> Result<Option<NonZeroU32>, D::Error> {
    at_least_one(value).map(Some)
}
