//! The test binary, run once more.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::harness::own_program;

/// A command that runs the very file that this process runs, also when a build has replaced it meanwhile. Code under
/// test may look at the name it was called by.
pub(crate) fn command() -> Command {
    let own_file = Path::new("/proc/self/exe");
    let program = own_program();
    let mut command = Command::new(if own_file.exists() { own_file } else { &program });
    command.arg0(&program);
    command
}
