//! A server as a child process that never outlives the harness.

use std::collections::VecDeque;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::{Launch, ServiceError};
use crate::process_groups::{self, Leader, Membership};

const REAPER: &str = include_str!("reaper.sh");

/// How many of a server's last lines an error quotes.
const TAIL_LINES: usize = 20;

/// A running server.
pub(crate) struct Server {
    program: &'static str,
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
    ended: AtomicBool,
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
    /// Starts `path` with `arguments` in the launch's folder. It is up when `ready` finds the authority it listens
    /// on, as `host:port`, in one of its lines.
    pub(super) fn start(
        program: &'static str,
        path: &Path,
        arguments: &[&str],
        launch: &Launch<'_>,
        ready: fn(&str) -> Option<String>,
    ) -> Result<Self, ServiceError> {
        let not_started =
            |error: String| ServiceError::NotStarted { program, path: path.into(), error };
        // The shell reports a program that does not run only in its log, so look first.
        check_runs(path).map_err(not_started)?;
        let mut child = Command::new("/bin/sh")
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

    pub(super) fn tail(&self) -> Tail {
        let last = self.log.last.lock().unwrap_or_else(PoisonError::into_inner);
        Tail(last.iter().cloned().collect())
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.log.ended.load(Ordering::Acquire)
    }

    /// Kills the server, removes its folder, and says how it ended.
    pub(super) fn stop(&self) -> String {
        let mut reaper = self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        drop(reaper.child.stdin.take());
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
        self.ended.store(true, Ordering::Release);
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
