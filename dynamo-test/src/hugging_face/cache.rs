use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::{home, variable};

/// The folder of downloaded models.
pub(crate) struct Cache {
    folder: PathBuf,
}

/// A model's name on the hub: `organisation/model`, or `model` alone.
#[derive(Clone, Debug)]
pub(crate) struct ModelName(String);

/// A name that no model can have.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{0}` is no name of a model: expected `organisation/model`")]
pub struct BadModelName(String);

impl ModelName {
    pub(crate) fn new(name: &str) -> Result<Self, BadModelName> {
        let is_word = |word: &str| {
            let may_be = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
            !word.is_empty() && word.chars().all(may_be) && !word.starts_with('.')
        };
        let words: Vec<&str> = name.split('/').collect();
        if words.len() <= 2 && words.into_iter().all(is_word) {
            return Ok(Self(name.into()));
        }
        Err(BadModelName(name.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Cache {
    /// Where the environment says that it is.
    pub(crate) fn of_environment() -> Self {
        let named = ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"].into_iter().find_map(variable);
        Self { folder: named.map_or_else(|| home().join("hub"), PathBuf::from) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder with the model's files, if they are all there.
    pub(crate) fn snapshot(&self, model: &ModelName) -> Option<PathBuf> {
        let repository = self.folder.join(format!("models--{}", model.0.replace('/', "--")));
        let revision = fs::read_to_string(repository.join("refs/main")).ok()?;
        let snapshot = repository.join("snapshots").join(revision.trim());
        (is_whole(&snapshot) && !is_being_downloaded(&repository.join("blobs"))).then_some(snapshot)
    }
}

/// Whether a snapshot has files, and none of its links leads nowhere.
fn is_whole(snapshot: &Path) -> bool {
    let mut entries = fs::read_dir(snapshot).into_iter().flatten().flatten().peekable();
    entries.peek().is_some() && entries.all(|entry| entry.path().exists())
}

/// Whether a download has begun and not come to its end, perhaps because it was interrupted.
fn is_being_downloaded(blobs: &Path) -> bool {
    let mut blobs = fs::read_dir(blobs).into_iter().flatten().flatten();
    blobs.any(|blob| blob.path().extension() == Some(OsStr::new("incomplete")))
}
