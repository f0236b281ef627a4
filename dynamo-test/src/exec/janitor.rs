//! Who removes a killed run's temporary folder: a shell that outlives it.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Standard input is a pipe whose other end the harness holds. `keep NAME` on it says that an entry of the folder
/// stays, `end` that the run has emptied the folder itself of what does not stay. Its end without that says that nobody
/// else is left.
const SCRIPT: &str = r#"
trap '' TERM INT HUP QUIT
keep=/
while read -r word name; do
    case $word in
        keep) keep=$keep$name/ ;;
        end) rmdir "$1"; exit ;;
    esac
done
# A process that is just being killed may still write, so there is a second time.
for pause in 1 0; do
    cd "$1" || exit
    for name in *; do
        case $keep in */"$name"/*) ;; *) rm -rf "$name" ;; esac
    done
    cd /
    rmdir "$1" && exit
    sleep "$pause"
done
"#;

/// Watches over the run's temporary folder, from the first case that writes into it.
#[derive(Default)]
pub(super) struct Janitor(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    NotNeeded,
    Watching(Child),
    /// It could not be started: a kill would leave the folder, which is all.
    Missing,
}

impl Janitor {
    /// Sees to it that `folder` goes when the run does.
    pub(super) fn watch(&self, folder: &Path) {
        let mut state = self.state();
        if let State::NotNeeded = *state {
            let shell = Command::new("/bin/sh")
                .args(["-c", SCRIPT, "janitor"])
                .arg(folder)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn();
            *state = shell.map_or(State::Missing, State::Watching);
        }
    }

    /// A case left something to look at, so that entry of the folder stays, whatever becomes of the run.
    pub(super) fn keep(&self, entry: &Path) {
        if let (State::Watching(shell), Some(name)) = (&mut *self.state(), entry.file_name()) {
            say(shell, &format!("keep {}\n", name.to_string_lossy()));
        }
    }

    /// The run is over, and has removed what is of no use.
    pub(super) fn finish(&self) {
        if let State::Watching(mut shell) = std::mem::take(&mut *self.state()) {
            say(&mut shell, "end\n");
            drop(shell.stdin.take());
            let _ = shell.wait();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn say(shell: &mut Child, line: &str) {
    if let Some(pipe) = &mut shell.stdin {
        // It may have been killed, and then there is nobody to tell.
        let _ = pipe.write_all(line.as_bytes());
    }
}
