//! The file: where it is, and how it lies over the defaults.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::{Config, ConfigError};

/// Every key that has a default.
const DEFAULTS: &str = include_str!("default.toml");

/// What a project calls its file.
const NAME: &str = "dynamo-test.toml";

/// The nearest file, from the folder of the package upwards. Cargo and nextest name the folder; a test binary that
/// is started by hand takes the current one.
pub(super) fn find() -> Option<PathBuf> {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folder = package.or_else(|| env::current_dir().ok())?;
    folder.ancestors().map(|folder| folder.join(NAME)).find(|file| file.is_file())
}

/// Reads a file.
pub(super) fn read(path: &Path) -> Result<Config, ConfigError> {
    let text = fs::read_to_string(path)
        .map_err(|error| ConfigError::Unreadable { path: path.into(), error })?;
    parse(&text).map_err(|error| ConfigError::new(path, &text, &error))
}

/// Reads a file's text. What an error points at is in that text: no default is wrong.
pub(super) fn parse(text: &str) -> Result<Config, Error> {
    let mut config = DeTable::parse(DEFAULTS)?;
    overlay(config.get_mut(), DeTable::parse(text)?.into_inner());
    Config::deserialize(Deserializer::from(config))
}

/// Puts what one table has into another, section by section, key by key.
fn overlay<'a>(under: &mut DeTable<'a>, over: DeTable<'a>) {
    for (key, value) in over {
        match (under.get_mut(&key).map(Spanned::get_mut), value) {
            (Some(DeValue::Table(under)), value) if value.get_ref().is_table() => {
                if let DeValue::Table(over) = value.into_inner() {
                    overlay(under, over);
                }
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn what_a_file_does_not_say_keeps_its_default() {
        let defaults = parse("").unwrap();
        let config = parse("[gpus]\nresidents = 3").unwrap();
        assert_eq!(config.gpus.residents.get(), 3);
        assert_eq!(config.gpus.reserve_after, defaults.gpus.reserve_after);
    }
}
