//! A server as a child process of the supervisor.

mod life;
mod start;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use super::super::proxy::Endpoint;
use super::super::spec::ProcessSpec;
use super::super::tail::Tail;
use super::super::wire::{self, ServerError};
use super::log::Log;
use super::server::{Server, Surroundings};
use life::Life;
use start::begin;

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
    endpoint: Endpoint,
    life: Arc<Life>,
    /// By a command, so that it does not go on when the run does.
    paused: bool,
}

impl ServerProcess {
    pub(super) fn start(
        name: &str,
        spec: &ProcessSpec,
        surroundings: Surroundings,
    ) -> Result<Self, ServerError> {
        let log = Arc::new(Log::default());
        let begun = begin(name, spec, &surroundings, &log, None);
        let (life, endpoint) = begun.inspect_err(|_| remove(&surroundings.folder))?;
        let state = Mutex::new(State { endpoint, life, paused: false });
        Ok(Self { name: name.into(), spec: spec.clone(), surroundings, log, state })
    }

    fn restart(&self) -> Result<(), ServerError> {
        self.kill();
        let port = self.port();
        let begun = begin(&self.name, &self.spec, &self.surroundings, &self.log, port);
        let (life, endpoint) = begun?;
        *self.state() = State { endpoint, life, paused: false };
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

    /// The port that it has had so far, if it has one.
    fn port(&self) -> Option<u16> {
        match &self.state().endpoint {
            Endpoint::Tcp(address) => Some(address.port()),
            Endpoint::Unix(_) => None,
        }
    }

    fn life(&self) -> Arc<Life> {
        Arc::clone(&self.state().life)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server for ServerProcess {
    fn name(&self) -> &str {
        &self.name
    }

    fn authority(&self) -> String {
        self.state().endpoint.to_string()
    }

    fn endpoint(&self) -> Option<Endpoint> {
        Some(self.state().endpoint.clone())
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

fn local(port: u16) -> Endpoint {
    Endpoint::Tcp((Ipv4Addr::LOCALHOST, port).into())
}
