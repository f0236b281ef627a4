//! Servers in containers: the back end *docker*, by testcontainers.
//!
//! testcontainers leaves a container wherever its handle is not dropped by a runtime that lives: on SIGKILL, on
//! `exit`, where its `start()` is cancelled. So here
//!
//! 1. every container bears labels that say whose it is ([`Labels`]),
//! 2. one [`Engine`] owns them all, on a runtime with a thread of its own, and cancels no start,
//! 3. what it leaves because it was killed, a [`remover`] removes,
//! 4. and what both leave, because that was killed, too, the next supervisor does, and the next engine ([`sweep`]).

mod engine;
mod error;
mod labels;
mod population;
mod reach;
pub(super) mod remover;
mod server;
mod sweep;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::super::ancestry::Process;
use super::super::spec::ContainerSpec;
use super::super::wire::ServerError;
use super::reaper::Reaper;
use super::server::Surroundings;
use engine::Engine;
pub(crate) use error::EngineError;
use labels::Labels;
use server::ServerContainer;

/// How long a container may take to start, and be removed, while the run waits for its end.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// The file in a supervisor's folder that tells the labels of its containers, as the remover is told them.
const LABELS: &str = "labels";

/// The supervisor's containers.
pub(super) struct Containers {
    run: Process,
    /// The supervisor's folder.
    folder: PathBuf,
    reaper: Arc<Reaper>,
    /// Looked for when the first container is wanted.
    engine: Mutex<Option<Arc<Engine>>>,
}

impl Containers {
    /// Those of a supervisor of the run that has this root.
    pub(super) fn new(run: Process, folder: &Path, reaper: Arc<Reaper>) -> Arc<Self> {
        Arc::new(Self { run, folder: folder.to_owned(), reaper, engine: Mutex::default() })
    }

    /// Starts a server in a container. When it is ready is for its user to see: the port answers before it does.
    pub(super) fn start(
        &self,
        name: &str,
        spec: &ContainerSpec,
        surroundings: &Surroundings,
    ) -> Result<ServerContainer, ServerError> {
        // Its data is in the container.
        let _ = fs::remove_dir(&surroundings.folder);
        let engine = self.find_engine()?;
        let container = engine.start(spec)?;
        Ok(ServerContainer::new(name, engine, container, surroundings.within))
    }

    /// Waits a while until none is left: one whose start was under way at the end is removed once the engine has
    /// started it. The reaper waits longer.
    pub(super) fn settle(&self) {
        if let Some(engine) = self.engine().clone() {
            engine.population.wait_until_nil(SETTLES_WITHIN);
        }
    }

    fn find_engine(&self) -> Result<Arc<Engine>, EngineError> {
        let mut engine = self.engine();
        if let Some(found) = &*engine {
            return Ok(Arc::clone(found));
        }
        let found = Engine::find(&self.run, &self.reaper)?;
        // Nothing is lost where it cannot be written but the help of a supervisor that comes next.
        let _ = fs::write(self.folder.join(LABELS), found.labels());
        *engine = Some(Arc::clone(&found));
        Ok(found)
    }

    fn engine(&self) -> MutexGuard<'_, Option<Arc<Engine>>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the containers of the supervisor that had this folder, if it had any.
pub(super) fn remove_all_of(supervisor: &Path) {
    if let Ok(labels) = fs::read_to_string(supervisor.join(LABELS)) {
        // An engine that does not answer now is asked again by the next that uses it.
        let _ = remover::remove(&labels);
    }
}

/// Whether an engine answers at all; the error says why not. It is asked once a process.
pub(crate) fn engine_answers() -> Result<(), EngineError> {
    static ANSWER: OnceLock<Result<(), EngineError>> = OnceLock::new();
    ANSWER.get_or_init(|| engine::connect().map(drop)).clone()
}
