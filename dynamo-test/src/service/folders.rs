use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::ServiceError;

/// Where a run's servers keep their data: one folder, with one for each server.
#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
}

impl Folders {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the folder of one server.
    pub(super) fn make(
        &self,
        program: &'static str,
        number: usize,
    ) -> Result<PathBuf, ServiceError> {
        let path = self.root.join(format!("{program}-{number}"));
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|error| {
            ServiceError::NoFolder { program, path: path.clone(), error: error.to_string() }
        })?;
        Ok(path)
    }

    /// Removes the folder of a server that did not start; one that did takes its folder along when it ends.
    pub(super) fn remove(&self, folder: &Path) {
        // What cannot be removed is either gone already or of use to somebody.
        let _ = fs::remove_dir_all(folder);
        let _ = fs::remove_dir(&self.root);
    }
}
