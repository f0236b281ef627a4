//! Who ends a case's processes where the case's own process was killed: a shell that outlives it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Pid;

const SCRIPT: &str = include_str!("watchdog.sh");

/// The file in the case's folder that is there while the shell is.
const ON_GUARD: &str = "watchdog";

/// How long the shell may take to end what a case left; then it has been killed itself.
const ENDED_WITHIN: Duration = Duration::from_secs(12);

/// The shell, from the case's first process on.
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// Has a shell see to it that what bears a mark that begins so ends with this process. `folder` is the case's.
    pub(super) fn start(mark: &str, folder: &Path) -> io::Result<Self> {
        let file = folder.join(ON_GUARD);
        File::create(&file)?;
        let started = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "watchdog", mark])
            .arg(&file)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        if started.is_err() {
            let _ = fs::remove_file(&file);
        }
        started.map(Self)
    }

    /// There is such a process group.
    pub(super) fn watch(&mut self, leader: Pid) {
        self.say(&format!("watch {leader}\n"));
    }

    /// There is none any more; its number may come to mean another.
    pub(super) fn forget(&mut self, leader: Pid) {
        self.say(&format!("forget {leader}\n"));
    }

    /// All have ended.
    pub(super) fn end(mut self) {
        self.say("end\n");
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }

    fn say(&mut self, line: &str) {
        if let Some(pipe) = &mut self.0.stdin {
            // It may have been killed, and then there is nobody to tell.
            let _ = pipe.write_all(line.as_bytes());
        }
    }
}

/// Waits until the processes of a case that was killed have ended: what they hold (a GPU, say) is another's next.
pub(crate) fn wait_for_end(folder: &Path) {
    let began = Instant::now();
    while folder.join(ON_GUARD).exists() && began.elapsed() < ENDED_WITHIN {
        thread::sleep(Duration::from_millis(5));
    }
}
