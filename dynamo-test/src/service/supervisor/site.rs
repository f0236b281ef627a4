use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::super::spec::{Mode, Source};
use super::super::wire::{ServerError, Wanted};
#[cfg(feature = "containers")]
use super::container::Containers;
use super::group;
use super::member::Member;
use super::process::ServerProcess;
use super::reaper::Reaper;
use super::server::Surroundings;

/// Where the supervisor starts its servers: each in a folder of its own.
pub(super) struct Site {
    folder: PathBuf,
    reaper: Arc<Reaper>,
    #[cfg(feature = "containers")]
    containers: Arc<Containers>,
    started: AtomicU64,
}

impl Site {
    pub(super) fn new(
        folder: PathBuf,
        reaper: Arc<Reaper>,
        #[cfg(feature = "containers")] containers: Arc<Containers>,
    ) -> Self {
        Self {
            folder,
            reaper,
            #[cfg(feature = "containers")]
            containers,
            started: AtomicU64::new(0),
        }
    }

    /// Starts what is wanted; returns when it is where it says, which need not mean that it is ready for use.
    pub(super) fn start(&self, wanted: &Wanted) -> Result<Member, ServerError> {
        let (name, within) = (&wanted.spec.name, wanted.within);
        let seed = self.started.load(Ordering::Relaxed);
        let member = match &wanted.spec.source {
            Source::Process(process) => {
                let server = ServerProcess::start(name, process, self.surroundings(name, within)?)?;
                Member::of(server)
            }
            #[cfg(feature = "containers")]
            Source::Container(container) => {
                let surroundings = self.surroundings(name, within)?;
                Member::of(self.containers.start(name, container, &surroundings)?)
            }
            Source::Group(peers) => {
                let places = peers.iter().map(|peer| self.surroundings(&peer.name, within));
                let (servers, network) =
                    group::start(peers, places.collect::<Result<_, _>>()?, seed)?;
                return Ok(Member::of_group(servers, network));
            }
        };
        if wanted.mode != Mode::Dedicated {
            return Ok(member);
        }
        member
            .with_network(seed)
            .map_err(|error| ServerError::NoPort { name: name.clone(), error: error.to_string() })
    }

    fn surroundings(&self, name: &str, within: Duration) -> Result<Surroundings, ServerError> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("{name}-{number}"));
        DirBuilder::new().mode(0o700).create(&folder).map_err(|error| ServerError::NoFolder {
            name: name.into(),
            path: folder.clone(),
            error: error.to_string(),
        })?;
        Ok(Surroundings { folder, within, reaper: Arc::clone(&self.reaper) })
    }
}
