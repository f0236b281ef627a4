//! Where a server's program is.

use std::env;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::ServiceError;

/// A program that the harness may have to start.
pub(super) struct Program {
    pub(super) name: &'static str,
    /// The environment variable that names it.
    pub(super) variable: &'static str,
    /// How to get it.
    pub(super) install: &'static str,
}

impl Program {
    /// Looks where the variable says, else the configuration, else in PATH. What is named is taken as it is: whether it
    /// runs is seen when it is started.
    pub(super) fn locate(&self, configured: Option<&Path>) -> Result<PathBuf, ServiceError> {
        let variable = env::var_os(self.variable).filter(|value| !value.is_empty());
        if let Some(named) = variable.map(PathBuf::from).or(configured.map(Into::into)) {
            return Ok(absolute(named));
        }
        env::var_os("PATH")
            .iter()
            .flat_map(env::split_paths)
            .map(|folder| folder.join(self.name))
            .find(|candidate| is_executable(candidate))
            .map(absolute)
            .ok_or(ServiceError::NotFound {
                program: self.name,
                variable: self.variable,
                install: self.install,
            })
    }
}

/// A server starts in a folder of its own.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
