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
    /// Looks where the variable says, else the configuration, else in PATH.
    pub(super) fn locate(&self, configured: Option<&Path>) -> Result<PathBuf, ServiceError> {
        match (named_by(self.variable), configured) {
            (None, Some(configured)) => Ok(absolute(configured.into())),
            _ => locate(self.name, self.variable, self.install),
        }
    }
}

/// Looks where a variable says, else in PATH. What the variable names is taken as it is: whether it runs is seen when
/// it is started.
pub(crate) fn locate(
    name: &'static str,
    variable: &str,
    install: &'static str,
) -> Result<PathBuf, ServiceError> {
    if let Some(named) = named_by(variable) {
        return Ok(absolute(named));
    }
    env::var_os("PATH")
        .iter()
        .flat_map(env::split_paths)
        .map(|folder| folder.join(name))
        .find(|candidate| is_executable(candidate))
        .map(absolute)
        .ok_or_else(|| ServiceError::NotFound { program: name, variable: variable.into(), install })
}

fn named_by(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(Into::into)
}

/// A server starts in a folder of its own.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}
