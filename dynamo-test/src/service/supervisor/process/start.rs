use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::super::POST_VARIABLE;
use super::super::leash;
use super::super::log::Log;
use super::super::server::Surroundings;
use super::life::Life;
use super::{GONE_WITHIN, local};
use crate::service::proxy::Endpoint;
use crate::service::spec::{Port, ProcessSpec};
use crate::service::wire::ServerError;

/// Waits to be told before it becomes the server: by then the reaper knows of it.
const WAIT: &str = r#"read -r _ && exec "$@" </dev/null"#;

/// What is seen of a server that starts.
enum Sign {
    Listens(Endpoint),
    Ended,
}

/// Starts a process that listens on `port`, if it has one already; returns where it does.
pub(super) fn begin(
    name: &str,
    spec: &ProcessSpec,
    surroundings: &Surroundings,
    log: &Arc<Log>,
    port: Option<u16>,
) -> Result<(Arc<Life>, Endpoint), ServerError> {
    let not_started = |error: String| ServerError::NotStarted {
        name: name.into(),
        path: spec.program.clone(),
        error,
    };
    // The shell reports a program that does not run only in the log, so look first.
    check_runs(&spec.program).map_err(not_started)?;
    let port = match (port, &spec.port) {
        (None, Port::Assigned) => Some(free_port().map_err(|error| ServerError::NoPort {
            name: name.into(),
            error: error.to_string(),
        })?),
        (port, _) => port,
    };
    let (signs, seen) = mpsc::channel();
    let spawned = spawn(spec, surroundings, log, port, signs);
    let life = spawned.map_err(|error| not_started(error.to_string()))?;
    if let (Port::Assigned, Some(port)) = (&spec.port, port) {
        return Ok((life, local(port)));
    }
    match next_sign(&seen, surroundings.within) {
        Some(Sign::Listens(endpoint)) => Ok((life, endpoint)),
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
    let spec = match (port, &spec.port) {
        (Some(port), _) => spec.with_port(port),
        (None, Port::Announced { any, .. }) => spec.with_port(any),
        (None, _) => spec.clone(),
    };
    let folder = &surroundings.folder;
    for (path, text) in &spec.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    if let Port::Socket { name, .. } = &spec.port {
        // One that was killed left it behind, and etcd 3.4 does not start where it lies. There is none at first.
        let _ = fs::remove_file(folder.join(name));
    }
    let mut command = Command::new("/bin/sh");
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text == POST_VARIABLE || spec.without.iter().any(|start| text.starts_with(start)) {
            command.env_remove(name);
        }
    }
    let (stdout, stderr) = (io::pipe()?, io::pipe()?);
    command
        .args(["-c", WAIT, "server"])
        .arg(&spec.program)
        .args(&spec.arguments)
        .envs(spec.environment)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(stdout.1)
        .stderr(stderr.1)
        .process_group(0);
    // With the command go the ends of the pipes that only the server shall hold.
    let mut child = leash::start(command, surroundings.reaper.folder())?;
    for stream in [stdout.0, stderr.0] {
        let (port, folder, signs) = (spec.port.clone(), folder.clone(), signs.clone());
        log.follow(stream, move |text| {
            if let Some(endpoint) = listens(text, &port, &folder) {
                // The starter has what it needs already, or has given up.
                let _ = signs.send(Sign::Listens(endpoint));
            }
        });
    }
    let leader = Pid::from_child(&child);
    let task = surroundings.reaper.add(format!("kill -9 -{}", leader.as_raw_nonzero()));
    let go = child.stdin.take().map(|mut pipe| pipe.write_all(b"go\n"));
    let life = Arc::new(Life::of(leader));
    let (followed, log) = (Arc::clone(&life), Arc::clone(log));
    thread::spawn(move || {
        followed.follow(child, task, &log);
        let _ = signs.send(Sign::Ended);
    });
    go.transpose()?;
    Ok(life)
}

/// Where the server listens, if a line of its log tells.
fn listens(text: &str, port: &Port, folder: &Path) -> Option<Endpoint> {
    match port {
        Port::Announced { line, before, .. } => announced(text, line, before).map(local),
        Port::Assigned => None,
        Port::Socket { name, line } => {
            text.contains(line).then(|| Endpoint::Unix(folder.join(name)))
        }
    }
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
