//! A server as a child process of the supervisor.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::super::spec::{Port, ProcessSpec};
use super::super::tail::Tail;
use super::super::wire::{self, ServerError};
use super::POST_VARIABLE;
use super::log::Log;
use super::reaper::Task;
use super::server::{Server, Surroundings};

/// Waits to be told before it becomes the server: by then the reaper knows of it.
const WAIT: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// How long a server that has ended may take to be done with its log: a process that it left may hold it open.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(100);

/// How long a server that was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A server that is a process, or was.
pub(super) struct ServerProcess {
    name: String,
    spec: ProcessSpec,
    surroundings: Surroundings,
    log: Arc<Log>,
    state: Mutex<State>,
}

struct State {
    port: u16,
    life: Arc<Life>,
    /// By a command, so that it does not go on when the run does.
    paused: bool,
}

/// One process of the server's; a restart begins another.
#[derive(Default)]
struct Life {
    state: Mutex<LifeState>,
    end: Condvar,
}

#[derive(Default)]
struct LifeState {
    /// The process, and the group that it leads, until it is waited for: then the number may mean somebody else.
    leader: Option<Pid>,
    ended: Option<String>,
}

/// What is seen of a server that starts.
enum Sign {
    Port(u16),
    Ended,
}

impl ServerProcess {
    pub(super) fn start(
        name: &str,
        spec: &ProcessSpec,
        surroundings: Surroundings,
    ) -> Result<Self, ServerError> {
        let log = Arc::new(Log::default());
        let port = match spec.port {
            Port::Announced { .. } => None,
            Port::Assigned => Some(free_port().map_err(|error| ServerError::NoPort {
                name: name.into(),
                error: error.to_string(),
            })?),
        };
        let (life, port) = begin(name, spec, &surroundings, &log, port)?;
        let state = Mutex::new(State { port, life, paused: false });
        Ok(Self { name: name.into(), spec: spec.clone(), surroundings, log, state })
    }

    fn restart(&self) -> Result<(), ServerError> {
        self.kill();
        let port = self.state().port;
        let begun = begin(&self.name, &self.spec, &self.surroundings, &self.log, Some(port));
        let (life, _) = begun?;
        *self.state() = State { port, life, paused: false };
        Ok(())
    }

    fn kill(&self) {
        let life = self.life();
        life.signal(Signal::KILL);
        life.ended(GONE_WITHIN);
    }

    fn terminate(&self) -> Result<(), String> {
        let life = self.life();
        life.signal(Signal::TERM);
        let within = self.surroundings.within;
        match life.ended(within) {
            Some(_) => Ok(()),
            None => Err(format!("it still runs after {} s", within.as_secs_f64())),
        }
    }

    fn pause(&self, paused: bool) {
        let mut state = self.state();
        state.paused = paused;
        state.life.stand_still(paused);
    }

    fn life(&self) -> Arc<Life> {
        Arc::clone(&self.state().life)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server for ServerProcess {
    fn authority(&self) -> String {
        format!("{}:{}", Ipv4Addr::LOCALHOST, self.state().port)
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.surroundings.folder)
    }

    fn ended(&self, within: Duration) -> Option<String> {
        self.life().ended(within)
    }

    fn tail(&self) -> Tail {
        self.log.tail()
    }

    fn command(&self, command: wire::Command) -> Result<(), ServerError> {
        let ended = self.life().ended(Duration::ZERO);
        let refused = |error| ServerError::NotDone {
            name: self.name.clone(),
            command: command.to_string(),
            error,
        };
        match (command, ended) {
            (wire::Command::Restart, _) => self.restart(),
            (_, Some(status)) => Err(refused(format!("it has ended ({status})"))),
            (wire::Command::Pause, None) => {
                self.pause(true);
                Ok(())
            }
            (wire::Command::Resume, None) => {
                self.pause(false);
                Ok(())
            }
            (wire::Command::Kill, None) => {
                self.kill();
                Ok(())
            }
            (wire::Command::Terminate, None) => self.terminate().map_err(refused),
        }
    }

    fn suspend(&self, suspended: bool) {
        let state = self.state();
        if !state.paused {
            state.life.stand_still(suspended);
        }
    }

    fn stop(&self) {
        self.kill();
        remove(&self.surroundings.folder);
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A process that was just killed may still write, so there is a second time.
fn remove(folder: &Path) {
    if fs::remove_dir_all(folder).is_err() {
        let _ = fs::remove_dir_all(folder);
    }
}

impl Life {
    /// How the process ended; none if it has not within this time.
    fn ended(&self, within: Duration) -> Option<String> {
        let waited = self.end.wait_timeout_while(self.state(), within, |life| life.ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.ended.clone()
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.state().leader {
            // All of it may be ending just now.
            let _ = kill_process_group(leader, signal);
        }
    }

    fn stand_still(&self, still: bool) {
        self.signal(if still { Signal::STOP } else { Signal::CONT });
        let Some(leader) = self.state().leader.filter(|_| still) else { return };
        // Once it does, it answers nothing more.
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(leader), stopped));
    }

    /// Waits for the process, and for what it left in its group.
    fn follow(&self, mut child: Child, task: Task, log: &Log) {
        let leader = Pid::from_child(&child);
        let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(leader), exited));
        // A server that is a script may have left the real one. Until its leader is waited for, the group is its own.
        let _ = kill_process_group(leader, Signal::KILL);
        self.state().leader = None;
        drop(task);
        let status = child.wait();
        log.wait_for_end(LAST_WORDS_WITHIN);
        let status = status.map_or_else(|error| error.to_string(), describe);
        self.state().ended = Some(status);
        self.end.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, LifeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        // The signal's name, from the standard library.
        None => status.to_string(),
    }
}

/// Starts a process that serves on `port`, or on one that it announces.
fn begin(
    name: &str,
    spec: &ProcessSpec,
    surroundings: &Surroundings,
    log: &Arc<Log>,
    port: Option<u16>,
) -> Result<(Arc<Life>, u16), ServerError> {
    let not_started = |error: String| ServerError::NotStarted {
        name: name.into(),
        path: spec.program.clone(),
        error,
    };
    // The shell reports a program that does not run only in the log, so look first.
    check_runs(&spec.program).map_err(not_started)?;
    let (signs, seen) = mpsc::channel();
    let spawned = spawn(spec, surroundings, log, port, signs);
    let life = spawned.map_err(|error| not_started(error.to_string()))?;
    if let (Port::Assigned, Some(port)) = (&spec.port, port) {
        return Ok((life, port));
    }
    match next_sign(&seen, surroundings.within) {
        Some(Sign::Port(port)) => Ok((life, port)),
        Some(Sign::Ended) => Err(ServerError::EndedEarly {
            name: name.into(),
            status: life.ended(Duration::ZERO).unwrap_or_default(),
            tail: log.tail(),
        }),
        None => {
            life.signal(Signal::KILL);
            life.ended(GONE_WITHIN);
            Err(ServerError::NotReady {
                name: name.into(),
                path: spec.program.clone(),
                within: surroundings.within,
                tail: log.tail(),
            })
        }
    }
}

/// Waits for a sign of the server; no deadline passes while the run stands still.
fn next_sign(seen: &Receiver<Sign>, within: Duration) -> Option<Sign> {
    let waited = crate::process_groups::Stopwatch::start();
    loop {
        match seen.recv_timeout(within.saturating_sub(waited.elapsed())) {
            Ok(sign) => return Some(sign),
            Err(RecvTimeoutError::Disconnected) => return Some(Sign::Ended),
            Err(RecvTimeoutError::Timeout) if waited.elapsed() >= within => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

fn spawn(
    spec: &ProcessSpec,
    surroundings: &Surroundings,
    log: &Arc<Log>,
    port: Option<u16>,
    signs: Sender<Sign>,
) -> io::Result<Arc<Life>> {
    let shown = match (&spec.port, port) {
        (_, Some(port)) => port.to_string(),
        (Port::Announced { any, .. }, None) => any.clone(),
        (Port::Assigned, None) => String::new(),
    };
    let with_port = |text: &str| text.replace("{port}", &shown);
    for (path, text) in &spec.files {
        let path = surroundings.folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&surroundings.folder))?;
        fs::write(path, with_port(text))?;
    }
    let mut command = Command::new("/bin/sh");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == POST_VARIABLE || spec.without.iter().any(|start| text.starts_with(start)) {
            command.env_remove(name);
        }
    }
    let (stdout, stderr) = (io::pipe()?, io::pipe()?);
    let mut child = command
        .args(["-c", WAIT, "server"])
        .arg(&spec.program)
        .args(spec.arguments.iter().map(|argument| with_port(argument)))
        .envs(spec.environment.iter().map(|(name, value)| (name, with_port(value))))
        .current_dir(&surroundings.folder)
        .stdin(Stdio::piped())
        .stdout(stdout.1)
        .stderr(stderr.1)
        .process_group(0)
        .spawn()?;
    // It holds the ends of the pipes that only the server shall hold.
    drop(command);
    let announcement = match &spec.port {
        Port::Announced { line, before, .. } => Some((line.clone(), before.clone())),
        Port::Assigned => None,
    };
    for stream in [stdout.0, stderr.0] {
        let (announcement, signs) = (announcement.clone(), signs.clone());
        log.follow(stream, move |text| {
            let port =
                announcement.as_ref().and_then(|(line, before)| announced(text, line, before));
            if let Some(port) = port {
                // The starter has what it needs already, or has given up.
                let _ = signs.send(Sign::Port(port));
            }
        });
    }
    let leader = Pid::from_child(&child);
    let task = surroundings.reaper.add(format!("kill -9 -{}", leader.as_raw_nonzero()));
    let go = child.stdin.take().map(|mut pipe| pipe.write_all(b"go\n"));
    let life = Arc::new(Life::default());
    life.state().leader = Some(leader);
    let (followed, log) = (Arc::clone(&life), Arc::clone(log));
    thread::spawn(move || {
        followed.follow(child, task, &log);
        let _ = signs.send(Sign::Ended);
    });
    go.transpose()?;
    Ok(life)
}

/// The port that a line of the log tells.
fn announced(text: &str, line: &str, before: &str) -> Option<u16> {
    let (_, rest) = text.contains(line).then(|| text.split_once(before))??;
    let digits = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
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

/// A port that nobody listens on, from below those that the system hands out to clients.
fn free_port() -> io::Result<u16> {
    const FIRST: u16 = 15_000;
    const COUNT: u64 = 17_000;
    const TRIES: u64 = 100;
    let seed = RandomState::new();
    let mut last = None;
    for attempt in 0..TRIES {
        let port = FIRST + (seed.hash_one(attempt) % COUNT) as u16;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}
