//! The supervisor: the one process that owns all servers of a run.
//!
//! It is the test binary once more, started by the first process of the run that needs a server. It knows no service:
//! it starts what a spec says, leases it, and does to it what the lease's holder asks for. A lease lasts as long as
//! the connection it was given on, so the kernel ends it with its holder.
//!
//! It ends when the run's root does. However it ends, its servers go along: by its own hand, by the reaper's, or, where
//! both were killed in the same instant, by the kernel's, and that of the supervisor that comes next.

mod connection;
#[cfg(feature = "containers")]
mod container;
mod group;
mod leash;
mod log;
mod member;
mod network;
mod pool;
mod process;
mod reaper;
mod root;
mod server;
mod shared;
mod site;
mod stale;

use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde::{Deserialize, Serialize};

use super::ancestry::Process;
use super::run::lock_exclusively;
#[cfg(feature = "containers")]
use container::Containers;
#[cfg(feature = "containers")]
pub(crate) use container::{EngineError, engine_answers};
use pool::Pools;
use reaper::Reaper;
use site::Site;

/// The only argument of a supervisor, where the test binary takes one.
pub(crate) const ARGUMENT: &str = "--dynamo-test-supervisor";

/// Holds the [`Post`] in a supervisor's environment.
pub(super) const POST_VARIABLE: &str = "DYNAMO_TEST_SUPERVISOR";

/// What a supervisor is told when it is started; its standard input is the socket that it listens on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Post {
    /// The process that it ends with.
    pub(super) root: Process,
    /// Where it keeps everything: in the run's folder, its own.
    pub(super) folder: PathBuf,
}

/// Whether this process was started to be a supervisor.
pub(crate) fn is_wanted() -> bool {
    env::var_os(POST_VARIABLE).is_some()
}

/// Owns the run's servers until the run ends. Its standard output and error are its log.
pub(crate) fn serve() -> ! {
    #[cfg(feature = "containers")]
    if container::remover::is_wanted() {
        container::remover::serve();
    }
    match Supervisor::start() {
        Ok(supervisor) => supervisor.accept(),
        Err(error) => {
            eprintln!("dynamo-test supervisor: {error}");
            std::process::exit(1);
        }
    }
}

struct Supervisor {
    listener: UnixListener,
    reaper: Arc<Reaper>,
    /// Ends what others left.
    sweep: Mutex<Option<JoinHandle<()>>>,
    pools: Arc<Pools>,
    #[cfg(feature = "containers")]
    containers: Arc<Containers>,
}

impl Supervisor {
    fn start() -> io::Result<Arc<Self>> {
        let post = env::var(POST_VARIABLE).map_err(io::Error::other)?;
        let Post { root, folder } = serde_json::from_str(&post)?;
        let listener = UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        // Says that somebody is here, to whoever sweeps. It is never released: the reaper holds it, too.
        let alive = File::open(&folder)?;
        lock_exclusively(&alive)?;
        let reaper = Reaper::start(&folder, alive)?;
        #[cfg(feature = "containers")]
        let containers = Containers::new(root.clone(), &folder, Arc::clone(&reaper));
        let run = folder.parent().unwrap_or(&folder).to_owned();
        let sweep =
            thread::Builder::new().name("sweep".into()).spawn(move || stale::sweep(&run))?;
        let pools = Pools::new(Site::new(
            folder,
            Arc::clone(&reaper),
            #[cfg(feature = "containers")]
            Arc::clone(&containers),
        ));
        let supervisor = Arc::new(Self {
            listener,
            reaper,
            sweep: Mutex::new(Some(sweep)),
            pools,
            #[cfg(feature = "containers")]
            containers,
        });
        let watching = Arc::clone(&supervisor);
        thread::Builder::new().name("root".into()).spawn(move || {
            root::wait_for_end(&root);
            watching.end();
        })?;
        Ok(supervisor)
    }

    fn accept(self: Arc<Self>) -> ! {
        loop {
            let served = self.listener.accept().and_then(|(stream, _)| {
                let supervisor = Arc::clone(&self);
                let serve = move || connection::serve(&supervisor, stream);
                thread::Builder::new().name("client".into()).spawn(serve)
            });
            if let Err(error) = served {
                eprintln!("a client was turned away: {error}");
            }
        }
    }

    /// Ends every server, removes all that is on disk, and then ends this process.
    fn end(&self) -> ! {
        self.pools.end();
        #[cfg(feature = "containers")]
        self.containers.settle();
        let sweep = self.sweep.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = sweep.map(JoinHandle::join);
        self.reaper.finish();
        std::process::exit(0)
    }
}
