use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::query_parameters::{
    KillContainerOptionsBuilder, LogsOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use testcontainers::{ContainerAsync, GenericImage};

use super::super::log::Log;
use super::super::server::Server;
use super::engine::{Engine, Started};
use crate::process_groups::Stopwatch;
use crate::service::tail::Tail;
use crate::service::wire::{Command, ServerError};

/// How long the last lines may take to arrive, once the server has ended.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);

/// How soon a server that does not listen is looked at again, unless it ends.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// For how long a connection that will be ended stays open, at most.
const SILENCE: Duration = Duration::from_millis(50);

/// How long a server that was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// A server in a container, which is removed with this.
pub(in crate::service::supervisor) struct ServerContainer {
    name: String,
    engine: Arc<Engine>,
    /// None once it is removed.
    container: Mutex<Option<ContainerAsync<GenericImage>>>,
    id: String,
    authority: String,
    within: Duration,
    log: Arc<Log>,
    state: Mutex<State>,
}

struct State {
    life: Arc<Life>,
    /// By a command, so that it does not go on when the run does.
    paused: bool,
}

/// From a start of the container to its end.
#[derive(Default)]
struct Life {
    ended: Mutex<Option<String>>,
    end: Condvar,
}

impl ServerContainer {
    pub(super) fn new(name: &str, engine: Arc<Engine>, started: Started, within: Duration) -> Self {
        let Started { container, authority } = started;
        let id = container.id().to_owned();
        let log = Arc::new(Log::default());
        let life = follow(&engine, &id, &log);
        Self {
            name: name.into(),
            engine,
            container: Mutex::new(Some(container)),
            id,
            authority,
            within,
            log,
            state: Mutex::new(State { life, paused: false }),
        }
    }

    /// Has the engine do something to the container; returns when that is done.
    fn ask<T>(&self, request: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
        self.engine.runtime.block_on(request).map_err(|error| match error {
            Error::DockerResponseServerError { message, .. } => message,
            error => error.to_string(),
        })
    }

    fn pause(&self, paused: bool) -> Result<(), String> {
        let docker = &self.engine.docker;
        if self.state().paused != paused {
            if paused {
                self.ask(docker.pause_container(&self.id))?;
            } else {
                self.ask(docker.unpause_container(&self.id))?;
            }
            self.state().paused = paused;
        }
        Ok(())
    }

    fn kill(&self) -> Result<(), String> {
        let kill = KillContainerOptionsBuilder::new().signal("KILL").build();
        self.ask(self.engine.docker.kill_container(&self.id, Some(kill)))?;
        self.has_ended_within(GONE_WITHIN)
    }

    /// The image says by which signal it is told.
    fn terminate(&self) -> Result<(), String> {
        let seconds = i32::try_from(self.within.as_secs()).unwrap_or(i32::MAX);
        let stop = StopContainerOptionsBuilder::new().t(seconds).build();
        self.ask(self.engine.docker.stop_container(&self.id, Some(stop)))?;
        self.has_ended_within(GONE_WITHIN)
    }

    fn restart(&self) -> Result<(), String> {
        if self.ended(Duration::ZERO).is_none() {
            self.kill()?;
        }
        self.ask(self.engine.docker.start_container(&self.id, None::<StartContainerOptions>))?;
        let life = follow(&self.engine, &self.id, &self.log);
        *self.state() = State { life, paused: false };
        self.wait_until_it_listens()
    }

    /// Waits until somebody listens behind the port. Until then the engine takes a connection and ends it at once.
    fn wait_until_it_listens(&self) -> Result<(), String> {
        let waited = Stopwatch::start();
        while !listens(&self.authority) {
            if let Some(status) = self.ended(LOOK_AGAIN_AFTER) {
                return Err(format!("it has ended ({status})"));
            }
            if waited.elapsed() >= self.within {
                return Err(format!("it does not listen after {} s", self.within.as_secs_f64()));
            }
        }
        Ok(())
    }

    fn has_ended_within(&self, span: Duration) -> Result<(), String> {
        match self.ended(span) {
            Some(_) => Ok(()),
            None => Err(format!("it still runs after {} s", span.as_secs_f64())),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server for ServerContainer {
    fn name(&self) -> &str {
        &self.name
    }

    fn authority(&self) -> String {
        self.authority.clone()
    }

    /// It is the container's own.
    fn folder(&self) -> Option<&Path> {
        None
    }

    fn ended(&self, within: Duration) -> Option<String> {
        let life = Arc::clone(&self.state().life);
        let ended = life.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = life.end.wait_timeout_while(ended, within, |ended| ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    fn tail(&self) -> Tail {
        self.log.tail()
    }

    fn command(&self, command: Command) -> Result<(), ServerError> {
        let done = match (command, self.ended(Duration::ZERO)) {
            (Command::Restart, _) => self.restart(),
            (_, Some(status)) => Err(format!("it has ended ({status})")),
            (Command::Pause, None) => self.pause(true),
            (Command::Resume, None) => self.pause(false),
            (Command::Kill, None) => self.kill(),
            (Command::Terminate, None) => self.terminate(),
        };
        done.map_err(|error| ServerError::NotDone {
            name: self.name.clone(),
            command: command.to_string(),
            error,
        })
    }

    fn suspend(&self, suspended: bool) {
        if self.state().paused || self.ended(Duration::ZERO).is_some() {
            return;
        }
        let docker = &self.engine.docker;
        // A server that the engine cannot stop goes on; nobody is there to be told.
        let _ = match suspended {
            true => self.ask(docker.pause_container(&self.id)),
            false => self.ask(docker.unpause_container(&self.id)),
        };
    }

    fn stop(&self) {
        let container = self.container.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(container) = container {
            // What cannot be removed now is the reaper's to remove.
            if self.engine.runtime.block_on(container.rm()).is_ok() {
                self.engine.population.shrink();
            }
        }
    }
}

impl Drop for ServerContainer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether a connection is not ended at once.
fn listens(authority: &str) -> bool {
    let heard = TcpStream::connect(authority).and_then(|mut stream| {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.read(&mut [0])
    });
    match heard {
        Ok(read) => read > 0,
        // It waits for the client's first word.
        Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}

/// Watches a container that was just started: what it prints from now on, and how it ends.
fn follow(engine: &Engine, id: &str, log: &Arc<Log>) -> Arc<Life> {
    let life = Arc::new(Life::default());
    let (docker, id, log) = (engine.docker.clone(), id.to_owned(), Arc::clone(log));
    let followed = Arc::clone(&life);
    let lines = engine.runtime.spawn(read_lines(docker.clone(), id.clone(), log));
    engine.runtime.spawn(async move {
        let status = wait_for_end(&docker, &id).await;
        let _ = tokio::time::timeout(LAST_LINES_WITHIN, lines).await;
        *followed.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
        followed.end.notify_all();
    });
    life
}

/// How the container ended, once it has.
async fn wait_for_end(docker: &Docker, id: &str) -> String {
    let until = WaitContainerOptionsBuilder::new().condition("not-running").build();
    let ended = docker.wait_container(id, Some(until)).next().await;
    match ended {
        Some(Ok(ended)) => describe(ended.status_code),
        Some(Err(Error::DockerContainerWaitError { code, .. })) => describe(code),
        Some(Err(error)) => format!("the engine lost sight of it: {error}"),
        None => "the engine lost sight of it".into(),
    }
}

/// An exit code as the engine tells it: a signal's is 128 more than its number, as a shell's.
fn describe(code: i64) -> String {
    match i32::try_from(code) {
        // The signal's name, from the standard library.
        Ok(code @ 129..=159) => ExitStatus::from_raw(code - 128).to_string(),
        _ => format!("exit code {code}"),
    }
}

async fn read_lines(docker: Docker, id: String, log: Arc<Log>) {
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let mut frames = std::pin::pin!(docker.logs(&id, Some(options)));
    let mut line = Vec::new();
    while let Some(Ok(frame)) = frames.next().await {
        for &byte in frame.as_ref() {
            match byte {
                b'\n' => {
                    log.push(String::from_utf8_lossy(&std::mem::take(&mut line)).trim_end().into())
                }
                byte => line.push(byte),
            }
        }
    }
    if !line.is_empty() {
        log.push(String::from_utf8_lossy(&line).into_owned());
    }
}
