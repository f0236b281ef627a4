//! Times as people write them: "90 s", "5 min".

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// Reads a time, which is more than nothing.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let time = humantime::parse_duration(text).ok().filter(|time| !time.is_zero());
    time.ok_or("expected a time with its unit, as in \"90 s\" or \"5 min\"")
}

/// For `#[serde(deserialize_with)]`.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    // Of a number, say, what follows says what is expected.
    let text = String::deserialize(value).unwrap_or_default();
    parse(&text).map_err(de::Error::custom)
}
