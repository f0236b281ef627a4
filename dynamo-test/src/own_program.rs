//! The test binary, run once more.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Its path.
pub(crate) fn path() -> PathBuf {
    env::current_exe().unwrap_or_else(|_| env::args_os().next().unwrap_or_default().into())
}

/// A command that runs the very file that this process runs, also when a build has replaced it meanwhile. Code under
/// test may look at the name it was called by.
pub(crate) fn command() -> Command {
    let own_file = Path::new("/proc/self/exe");
    let program = path();
    let mut command = Command::new(if own_file.exists() { own_file } else { &program });
    command.arg0(&program);
    command
}
