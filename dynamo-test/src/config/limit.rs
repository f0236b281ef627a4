use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::time;

/// How long something may take: a time, or `none` for no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit(pub(crate) Option<Duration>);

impl FromStr for Limit {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "none" {
            return Ok(Self(None));
        }
        let expected = "expected a time with its unit, as in \"90 s\" or \"5 min\", or \"none\"";
        time::parse(text).map(|time| Self(Some(time))).map_err(|_| expected)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        // Of a number, say, what follows says what is expected.
        let text = String::deserialize(value).unwrap_or_default();
        text.parse().map_err(de::Error::custom)
    }
}
