//! Who removes a killed run's temporary folder: a shell that outlives it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Standard input is a pipe whose other end only the harness holds. A line on it says that the folder stays; its end
/// says that the run is over, and that nobody else is left to remove the folder.
const SCRIPT: &str = "
trap '' TERM INT HUP QUIT
read -r _ && exit
cd /
# A case's process that is just being killed may still write.
rm -rf \"$1\" 2>/dev/null || { sleep 1; rm -rf \"$1\"; }
";

/// Watches over the run's temporary folder, from the first case that writes into it.
#[derive(Default)]
pub(super) struct Janitor(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    NotNeeded,
    Watching(Child),
    Dismissed,
}

impl Janitor {
    /// Sees to it that `folder` goes when the run does.
    pub(super) fn watch(&self, folder: &Path) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::NotNeeded = *state {
            let shell = Command::new("/bin/sh")
                .args(["-c", SCRIPT, "janitor"])
                .arg(folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn();
            // Without it the run is as good, but for a folder that a kill would leave.
            *state = shell.map_or(State::Dismissed, State::Watching);
        }
    }

    /// A case left something to look at, so the folder stays.
    pub(super) fn dismiss(&self) {
        self.end(b"\n");
    }

    /// The run is over: what is still in the folder is of no use.
    pub(super) fn finish(&self) {
        self.end(b"");
    }

    fn end(&self, word: &[u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Watching(mut shell) = std::mem::replace(&mut *state, State::Dismissed) {
            if let Some(mut pipe) = shell.stdin.take() {
                // It may have been killed, and then there is nobody to tell.
                let _ = std::io::Write::write_all(&mut pipe, word);
            }
            let _ = shell.wait();
        }
    }
}
