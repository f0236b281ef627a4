//! Who cleans up behind the supervisor: a shell that outlives it, and so does its work also where the supervisor was
//! killed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

const SCRIPT: &str = include_str!("reaper.sh");

/// The reaper. One that was killed is replaced.
pub(super) struct Reaper {
    folder: PathBuf,
    /// The folder itself, locked: whoever sweeps sees that somebody is here.
    alive: File,
    state: Mutex<State>,
    end: Condvar,
}

#[derive(Default)]
struct State {
    pipe: Option<ChildStdin>,
    /// What is to be done when the supervisor is gone: shell commands.
    tasks: BTreeMap<u64, String>,
    next: u64,
    /// Whether its end is meant.
    finishing: bool,
    /// Whether there is none any more.
    finished: bool,
}

/// That something is to be done when the supervisor is gone; until it is dropped.
pub(super) struct Task {
    number: u64,
    reaper: Arc<Reaper>,
}

impl Reaper {
    pub(super) fn start(folder: &Path, alive: File) -> io::Result<Arc<Self>> {
        let reaper = Arc::new(Self {
            folder: folder.to_owned(),
            alive,
            state: Mutex::default(),
            end: Condvar::new(),
        });
        let child = reaper.spawn(&mut reaper.state())?;
        let watched = Arc::clone(&reaper);
        thread::Builder::new().name("reaper".into()).spawn(move || watched.replace(child))?;
        Ok(reaper)
    }

    /// The supervisor's folder, which it removes.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Sees to it that a shell command is run if this process ends before the task is dropped.
    pub(super) fn add(self: &Arc<Self>, command: String) -> Task {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.say(&format!("add {number} {command}\n"));
        state.tasks.insert(number, command);
        drop(state);
        Task { number, reaper: Arc::clone(self) }
    }

    /// Has everything done that is still to be done, and the folder removed.
    pub(super) fn finish(&self) {
        let mut state = self.state();
        state.finishing = true;
        state.pipe = None;
        let ended = self.end.wait_while(state, |state| !state.finished);
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }

    fn spawn(&self, state: &mut State) -> io::Result<Child> {
        let mut child = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "reaper"])
            .arg(&self.folder)
            .stdin(Stdio::piped())
            .stdout(self.alive.try_clone()?)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        state.pipe = child.stdin.take();
        let tasks: Vec<String> =
            state.tasks.iter().map(|(number, task)| format!("add {number} {task}\n")).collect();
        state.say(&tasks.concat());
        Ok(child)
    }

    /// Starts another whenever it ends, which only a signal makes it do.
    fn replace(&self, mut child: Child) {
        while child.wait().is_ok() {
            let mut state = self.state();
            if state.finishing {
                break;
            }
            eprintln!("the reaper was killed; there is another now");
            match self.spawn(&mut state) {
                Ok(another) => child = another,
                Err(error) => {
                    eprintln!("no, there is none: {error}");
                    break;
                }
            }
        }
        self.state().finished = true;
        self.end.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn say(&mut self, line: &str) {
        if let Some(pipe) = &mut self.pipe {
            // One that was killed is told by its successor's start.
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let mut state = self.reaper.state();
        state.tasks.remove(&self.number);
        state.say(&format!("drop {}\n", self.number));
    }
}
