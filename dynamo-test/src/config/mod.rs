//! `dynamo-test.toml`: what a project sets for all its runs, over the embedded `default.toml`.
//!
//! A section is a struct, which lists the keys there are; `default.toml` gives every key that has a default its value,
//! and says what it means. The file is read when something runs, never for a list.

mod error;
mod file;
mod limit;
mod services;
mod standards;
mod time;
mod timeouts;

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

pub(crate) use error::ConfigError;
pub(crate) use limit::Limit;
pub(crate) use services::{ServiceSection, Services};
pub(crate) use standards::{Lifecycles, Standards};
pub(crate) use timeouts::Timeouts;

/// Every section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) timeouts: Timeouts,
    pub(crate) gpus: Gpus,
    pub(crate) services: Services,
    pub(crate) progress: Progress,
    pub(crate) standards: Standards,
    pub(crate) lifecycles: Lifecycles,
}

/// `[gpus]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub(crate) struct Gpus {
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) residents: NonZeroU32,
    #[serde(deserialize_with = "time::deserialize")]
    pub(crate) reserve_after: Duration,
}

/// `[progress]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a section")]
pub(crate) struct Progress {
    #[serde(deserialize_with = "time::deserialize")]
    pub(crate) long: Duration,
}

impl Config {
    /// Reads the file that was named, else the nearest `dynamo-test.toml` from the package's folder upwards; without
    /// any, the defaults hold.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        match named.map(Path::to_path_buf).or_else(file::find) {
            Some(path) => file::read(&path),
            None => file::parse("").map_err(|error| ConfigError::new("".as_ref(), "", &error)),
        }
    }
}

fn at_least_one<'de, D: serde::Deserializer<'de>>(value: D) -> Result<NonZeroU32, D::Error> {
    let expected = || serde::de::Error::custom("expected a number, 1 or more");
    let number = u32::deserialize(value).map_err(|_| expected())?;
    NonZeroU32::new(number).ok_or_else(expected)
}
