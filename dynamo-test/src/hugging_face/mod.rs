//! Hugging Face as its own libraries see it: the token, the cache, the hub.

mod cache;
mod hub;
mod token;

use std::env;
use std::path::PathBuf;

pub use cache::BadModelName;
pub(crate) use cache::{Cache, ModelName};
pub(crate) use hub::Hub;
pub(crate) use token::{token, tokens};

/// A variable's value, unless it is empty, which means the same as absent.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Whether a variable says yes, in the words that Hugging Face's libraries take for it.
fn says_yes(name: &str) -> bool {
    let value = variable(name).unwrap_or_default().to_uppercase();
    ["1", "ON", "YES", "TRUE"].contains(&&*value)
}

/// The folder for all that is Hugging Face's.
fn home() -> PathBuf {
    let named = |name| variable(name).map(PathBuf::from);
    named("HF_HOME").unwrap_or_else(|| {
        let caches = named("XDG_CACHE_HOME");
        caches
            .unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cache"))
            .join("huggingface")
    })
}
