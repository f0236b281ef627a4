//! A process that removes the containers of an owner that is gone.
//!
//! The reaper starts it, and it is this program once more: it finds the engine where the owner found it, by the same
//! code, so it needs neither docker's command line nor curl, which a machine with a mere socket may lack.

use std::ffi::OsStr;
use std::io;
use std::process;

use testcontainers::core::client::docker_client_instance;

use super::labels::Labels;
use super::sweep;
use crate::own_program;

/// Makes this program a remover, and holds the labels of what it is to remove.
const VARIABLE: &str = "DYNAMO_TEST_REMOVE_CONTAINERS";

/// The shell command that removes what bears these labels. It is done in the background, because the engine takes its
/// time.
pub(super) fn command(labels: &Labels) -> String {
    let mut command = format!("{VARIABLE}={}", quoted(told(labels).as_ref()));
    let program = own_program::path();
    // With the owner's arguments, so that it comes as far as the owner did.
    let arguments = std::env::args_os().skip(1);
    for word in std::iter::once(program.into_os_string()).chain(arguments) {
        command.push(' ');
        command.push_str(&quoted(&word));
    }
    command.push_str(" &");
    command
}

/// Labels as a remover is told them.
pub(super) fn told(labels: &Labels) -> String {
    serde_json::Value::from(labels.filters()).to_string()
}

/// A word as a shell reads it.
fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', r"'\''"))
}

/// Whether this process was started to be a remover.
pub(crate) fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Removes what it was told to.
pub(crate) fn serve() -> ! {
    let told = std::env::var(VARIABLE).unwrap_or_default();
    process::exit(i32::from(remove(&told).is_err()))
}

/// Removes what bears the labels that were told.
pub(super) fn remove(told: &str) -> io::Result<()> {
    let labels: Vec<String> = serde_json::from_str(told)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let docker = docker_client_instance().await.map_err(io::Error::other)?;
        sweep::remove_all_of(&docker, &labels).await;
        Ok(())
    })
}
