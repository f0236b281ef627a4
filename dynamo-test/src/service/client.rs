//! The way to the run's supervisor: to the one that is there, or else to one that is started now.
//!
//! Each run has a folder, which only its user may enter, and each supervisor a folder in that with its socket. Who
//! finds no supervisor to talk to locks the run's folder, looks again, and starts one.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::ServiceError;
use super::run::{Run, lock_exclusively, try_lock_exclusively};
use super::socket_path::address_of;
use super::supervisor::{POST_VARIABLE, Post};
use super::tail::Tail;
use super::wire::{self, Answer, Connection, Leased, Request, Wanted};

/// The name of a supervisor's socket in its folder.
const SOCKET: &str = "s";

/// The name of its log.
const LOG: &str = "log";

/// How many lines of a supervisor's log are shown.
const LOG_LINES: usize = 20;

/// How long a supervisor may take to have its servers stand still.
const SUSPENDED_WITHIN: Duration = Duration::from_secs(2);

/// How long the end of the run may go unnoticed while a server is waited for.
const LOOK_UP: Duration = Duration::from_millis(50);

/// The folders of the supervisors that this process has talked to.
static SUPERVISORS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// The supervisor of a run, as its clients see it.
pub(super) struct Supervision {
    /// Looked for when the first server is needed.
    run: LazyLock<Run>,
    /// What makes the test binary a supervisor.
    arguments: Vec<String>,
    /// The folder of the supervisor that was last talked to.
    known: Mutex<Option<PathBuf>>,
}

/// A connection to a supervisor.
pub(super) struct Client {
    connection: Connection,
    folder: PathBuf,
    /// Opened early: when the supervisor has died, its folder goes.
    log: Option<File>,
}

impl Supervision {
    pub(super) fn new(arguments: Vec<String>) -> Self {
        Self { run: LazyLock::new(Run::of_this_process), arguments, known: Mutex::default() }
    }

    /// Tells the run from others of the machine.
    pub(super) fn run_name(&self) -> String {
        self.run.name()
    }

    /// Connects to the run's supervisor.
    pub(super) fn connect(&self) -> Result<Client, ServiceError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = known.as_deref().and_then(Client::reach) {
            return Ok(client);
        }
        let client = match self.find() {
            Some(client) => client,
            None => self.start()?,
        };
        supervisors().push(client.folder.clone());
        *known = Some(client.folder.clone());
        Ok(client)
    }

    /// Ends the supervisor and its servers, if the run is this process's own.
    pub(super) fn end(&self) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(folder) = known else { return };
        let client = match Client::reach(&folder) {
            // Another one ends what it left.
            None if is_abandoned(&folder) => self.start().ok(),
            client => client,
        };
        if let Some(mut client) = client
            && self.run.is_this_process()
        {
            // It hangs up when everything is gone.
            let _ = client.ask(&Request::End);
        }
    }

    /// A supervisor of the run that is there and understands us.
    fn find(&self) -> Option<Client> {
        let entries = fs::read_dir(self.run.folder()).ok()?.flatten();
        let ours = entries.filter(|entry| {
            let name = entry.file_name();
            name.to_str().and_then(|name| name.split_once('-')).is_some_and(|(of, _)| of == tag())
        });
        ours.map(|entry| entry.path()).find_map(|folder| Client::reach(&folder))
    }

    /// Starts a supervisor, unless somebody else does so first.
    fn start(&self) -> Result<Client, ServiceError> {
        let (_lock, run) = self.lock()?;
        if let Some(client) = self.find() {
            return Ok(client);
        }
        let folder = run.join(format!("{}-{:04x}", tag(), crate::seed::random() as u16));
        let started =
            DirBuilder::new().mode(0o700).create(&folder).and_then(|()| self.spawn(&folder));
        if let Err(error) = started {
            return Err(ServiceError::NoSupervisor { folder, error: error.to_string() });
        }
        let mut client = Client::connect(&folder).ok_or_else(|| ServiceError::NoSupervisor {
            folder: folder.clone(),
            error: "it does not listen".into(),
        })?;
        // From then on it keeps a lock of its own.
        client.ask(&Request::Greet)?;
        Ok(client)
    }

    /// Locks the run's folder, which is made if it is not there.
    fn lock(&self) -> Result<(File, PathBuf), ServiceError> {
        let path = self.run.folder();
        let failed = |error: io::Error| ServiceError::NoFolder {
            path: path.clone(),
            error: error.to_string(),
        };
        loop {
            match DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(error));
                }
                _ => {}
            }
            let found = match fs::symlink_metadata(&path) {
                // Whoever went last has just removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(failed)?,
            };
            let user = rustix::process::geteuid().as_raw();
            if !found.is_dir() || found.uid() != user || found.mode() & 0o077 != 0 {
                return Err(ServiceError::NotOurFolder { path, user });
            }
            let Ok(folder) = File::open(&path) else { continue };
            lock_exclusively(&folder).map_err(failed)?;
            let locked = folder.metadata().map_err(failed)?;
            let is_still_there = fs::symlink_metadata(&path)
                .is_ok_and(|now| (now.dev(), now.ino()) == (locked.dev(), locked.ino()));
            if is_still_there {
                return Ok((folder, path));
            }
        }
    }

    /// Starts the test binary as a supervisor that listens in `folder`.
    fn spawn(&self, folder: &Path) -> io::Result<()> {
        let (address, _folder) = address_of(&folder.join(SOCKET))?;
        let listener = UnixListener::bind(address)?;
        let log = File::create(folder.join(LOG))?;
        let post = Post { root: self.run.root.clone(), folder: folder.to_owned() };
        crate::own_program::command()
            .args(&self.arguments)
            .env(POST_VARIABLE, serde_json::to_string(&post)?)
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(log.try_clone()?)
            .stderr(log)
            // What the terminal sends to the run is not meant for it.
            .process_group(0)
            .spawn()?;
        Ok(())
    }
}

impl Client {
    /// Connects to the supervisor in a folder, if one is there.
    pub(super) fn connect(folder: &Path) -> Option<Self> {
        let (address, _folder) = address_of(&folder.join(SOCKET)).ok()?;
        let connection = Connection::new(UnixStream::connect(address).ok()?);
        let log = File::open(folder.join(LOG)).ok();
        Some(Self { connection, folder: folder.to_owned(), log })
    }

    /// Connects to the supervisor in a folder, if one is there and answers: the socket of one that is just being killed
    /// takes connections longer than its servers live.
    fn reach(folder: &Path) -> Option<Self> {
        let mut client = Self::connect(folder)?;
        client.ask(&Request::Greet).is_ok().then_some(client)
    }

    /// Where the supervisor is; another process may connect to it there.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Asks for something, and waits for it.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Answer, ServiceError> {
        let sent = self.connection.send(request);
        self.answer(sent)
    }

    /// Waits for the answer to what was sent.
    fn answer(&mut self, sent: io::Result<()>) -> Result<Answer, ServiceError> {
        match sent.and_then(|()| self.connection.receive()) {
            Ok(Some(Answer::Refused { error })) => Err(error.into()),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) | Err(_) => Err(ServiceError::SupervisorGone { tail: self.log() }),
        }
    }

    /// Leases a server on this connection, for which it may have to wait as long as the run is not over.
    pub(super) fn lease(
        &mut self,
        wanted: Wanted,
        is_over: fn() -> bool,
    ) -> Result<Leased, ServiceError> {
        let sent = self.connection.send(&Request::Lease(wanted));
        // Where it was not sent there will be no answer, either.
        while sent.is_ok() && !self.connection.has_come(LOOK_UP) {
            if is_over() {
                return Err(ServiceError::CalledOff);
            }
        }
        match self.answer(sent)? {
            Answer::Leased(leased) => Ok(leased),
            _ => Err(ServiceError::SupervisorGone { tail: self.log() }),
        }
    }

    /// The last lines of the supervisor's log.
    fn log(&self) -> Tail {
        let mut text = String::new();
        if let Some(mut log) = self.log.as_ref() {
            let _ = log.seek(SeekFrom::Start(0)).and_then(|_| log.read_to_string(&mut text));
        }
        let lines: Vec<String> = text.lines().map(Into::into).collect();
        Tail(lines[lines.len().saturating_sub(LOG_LINES)..].to_vec())
    }
}

/// Whether neither a supervisor nor its reaper is in its folder any more.
fn is_abandoned(folder: &Path) -> bool {
    File::open(folder).is_ok_and(|folder| try_lock_exclusively(&folder).is_ok())
}

/// That the servers of this process's run stand still; until it is dropped.
pub(crate) struct Suspension(Vec<Client>);

/// Has the servers of this process's run stand still, before it does so itself.
pub(crate) fn suspend() -> Suspension {
    let folders = supervisors().clone();
    let clients = folders.iter().filter_map(|folder| {
        let mut client = Client::connect(folder)?;
        // One that does not answer is no reason to go on.
        client.connection.wait_at_most(SUSPENDED_WITHIN).ok()?;
        client.ask(&Request::Suspend).ok()?;
        Some(client)
    });
    Suspension(clients.collect())
}

impl Drop for Suspension {
    fn drop(&mut self) {
        for client in &mut self.0 {
            // Hanging up says the same.
            let _ = client.ask(&Request::Resume);
        }
    }
}

fn supervisors() -> MutexGuard<'static, Vec<PathBuf>> {
    SUPERVISORS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the supervisors that understand us have in their names: the library's version, its wire's, and what they can
/// start.
fn tag() -> String {
    let containers = if cfg!(feature = "containers") { "c" } else { "" };
    format!("{}.{}{containers}", env!("CARGO_PKG_VERSION"), wire::VERSION)
}
