//! A server as a child process that never outlives the harness.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Launch, ServiceError};
use crate::process_groups::{self, Leader, Membership};

const REAPER: &str = include_str!("reaper.sh");

/// How many of a server's last lines an error quotes.
const TAIL_LINES: usize = 20;

/// A running server.
pub(crate) struct Server {
    program: &'static str,
    folder: PathBuf,
    authority: String,
    log: Arc<Log>,
    reaper: Mutex<Reaper>,
}

/// The server's parent.
struct Reaper {
    child: Child,
    /// Until the child is waited for.
    membership: Option<Membership>,
}

/// What a server printed.
#[derive(Default)]
struct Log {
    last: Mutex<VecDeque<String>>,
    ended: Mutex<bool>,
    end: Condvar,
}

/// A server's last lines, as an error quotes them.
#[derive(Clone, Debug)]
pub(crate) struct Tail(Vec<String>);

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("    (it printed nothing)");
        }
        let lines: Vec<String> = self.0.iter().map(|line| format!("    {line}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Server {
    /// Starts `path` with `arguments` in the launch's folder, without the variables that `scrub` names. It is up when `ready` finds the authority it listens
    /// on, as `host:port`, in one of its lines.
    pub(super) fn start(
        program: &'static str,
        path: &Path,
        arguments: &[&str],
        scrub: fn(&str) -> bool,
        launch: &Launch<'_>,
        ready: fn(&str) -> Option<String>,
    ) -> Result<Self, ServiceError> {
        let not_started =
            |error: String| ServiceError::NotStarted { program, path: path.into(), error };
        // The shell reports a program that does not run only in its log, so look first.
        check_runs(path).map_err(not_started)?;
        let mut command = Command::new("/bin/sh");
        for (name, _) in std::env::vars_os().filter(|(name, _)| scrub(&name.to_string_lossy())) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["-c", REAPER, "reaper"])
            .arg(launch.folder)
            .arg(path)
            .args(arguments)
            .current_dir(launch.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| not_started(error.to_string()))?;
        let log = Arc::new(Log::default());
        let (found, authority) = mpsc::channel();
        let membership = Some(process_groups::join(&child, Leader::Server));
        if let Some(lines) = child.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || log.follow(lines, ready, &found));
        }
        let mut server = Self {
            program,
            folder: launch.folder.to_owned(),
            authority: String::new(),
            log,
            reaper: Mutex::new(Reaper { child, membership }),
        };
        match authority.recv_timeout(launch.timeout) {
            Ok(authority) => {
                server.authority = authority;
                Ok(server)
            }
            Err(RecvTimeoutError::Timeout) => Err(ServiceError::NotReady {
                program,
                path: path.into(),
                timeout: launch.timeout,
                tail: server.tail(),
            }),
            Err(RecvTimeoutError::Disconnected) => Err(ServiceError::EndedEarly {
                program,
                status: server.stop(),
                tail: server.tail(),
            }),
        }
    }

    pub(super) fn program(&self) -> &'static str {
        self.program
    }

    /// Where it listens: `host:port`.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Where it keeps its data.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn tail(&self) -> Tail {
        let last = self.log.last.lock().unwrap_or_else(PoisonError::into_inner);
        Tail(last.iter().cloned().collect())
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.ends_within(Duration::ZERO)
    }

    /// Waits for it to end by itself; whether it did.
    pub(super) fn ends_within(&self, span: Duration) -> bool {
        let ended = self.log.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.log.end.wait_timeout_while(ended, span, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Kills the server, removes its folder, and says how it ended.
    pub(super) fn stop(&self) -> String {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut pipe) = reaper.child.stdin.take() {
            // Its end alone would not do: a process that a test forked may hold a copy of the pipe.
            let _ = pipe.write_all(b"stop\n");
        }
        let mut status = String::new();
        if let Some(mut stdout) = reaper.child.stdout.take() {
            // An error leaves the status unknown, which is said.
            let _ = stdout.read_to_string(&mut status);
        }
        reaper.membership = None;
        let _ = reaper.child.wait();
        status.trim().parse().map_or_else(|_| "its exit status is unknown".into(), describe_status)
    }

    /// What befell the server if it ended while a case used it.
    pub(super) fn death(&self) -> ServiceError {
        let status = self.stop();
        ServiceError::Died { program: self.program, status, tail: self.tail() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A shell's `$?` in words.
fn describe_status(status: i32) -> String {
    match status {
        code @ ..=128 => format!("exit code {code}"),
        // The signal's name, from the standard library.
        code => ExitStatus::from_raw(code - 128).to_string(),
    }
}

impl Log {
    /// Reads the server's lines to their end, which is the server's own end.
    fn follow(
        &self,
        lines: ChildStderr,
        ready: fn(&str) -> Option<String>,
        found: &Sender<String>,
    ) {
        let mut found = Some(found);
        let mut lines = BufReader::new(lines);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if let Some(authority) = found.and_then(|_| ready(&text)) {
                // The starter may have given up.
                let _ = found.take().map(|found| found.send(authority));
            }
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            if last.len() == TAIL_LINES {
                last.pop_front();
            }
            last.push_back(text);
        }
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.end.notify_all();
    }
}

/// Whether a file is a program this user may run; the error says why not.
fn check_runs(path: &Path) -> Result<(), String> {
    let metadata = path.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is no file".into());
    }
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK)
        .map_err(|error| format!("{error} (is it executable?)"))
}
