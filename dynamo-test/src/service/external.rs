//! A server that runs already, and is somebody's: a case uses it as a guest, unless its owner allows more.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::ServiceError;
use super::kind::{ExternalNames, Want};
use super::run::{try_lock_exclusively, try_lock_shared};
use super::spec::Mode;
use crate::config::ServiceSection;

/// Where the locks of external servers are: the same place for all users and runs of the machine.
const LOCKS: &str = "/tmp";

/// How soon a server that another case has is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// An external server.
#[derive(Clone, Debug)]
pub(super) struct External {
    service: &'static str,
    /// As it was named: several URLs of a cluster are separated by commas.
    pub(super) url: String,
    /// Of the first of them: `host:port`.
    pub(super) authority: String,
    /// Whether all that it holds may be deleted.
    pub(super) may_be_wiped: bool,
    /// Files that clients need.
    pub(super) credentials: Option<PathBuf>,
    pub(super) ca_certificate: Option<PathBuf>,
}

impl External {
    /// The server that the environment or the configuration names.
    pub(super) fn of(
        service: &'static str,
        names: &ExternalNames,
        section: Option<&ServiceSection>,
    ) -> Result<Option<Self>, ServiceError> {
        let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let named = variable(names.variable);
        let Some(url) = named.or_else(|| section?.url.clone()) else { return Ok(None) };
        let Some(authority) = authority(&url, names.default_port) else {
            return Err(ServiceError::NotAnAddress { service, variable: names.variable });
        };
        let file = |name: Option<&str>| name.and_then(variable).map(PathBuf::from);
        Ok(Some(Self {
            service,
            url,
            authority,
            may_be_wiped: section.is_some_and(|section| section.external.wipe),
            credentials: file(names.credentials),
            ca_certificate: file(names.ca_certificate),
        }))
    }

    /// Why it cannot be used as a case wants to, if it cannot.
    pub(super) fn refuse(&self, want: &Want) -> Option<ServiceError> {
        let (server, authority) = (want.kind.server(), self.authority.clone());
        if let Some(configuration) = want.kind.configuration() {
            return Some(ServiceError::NotToBeConfigured { server, authority, configuration });
        }
        match want.mode {
            Mode::Exclusive if !self.may_be_wiped => {
                Some(ServiceError::NotToBeWiped { server, authority, service: self.service })
            }
            Mode::Dedicated | Mode::Cluster => {
                Some(ServiceError::NotToBeStopped { server, authority })
            }
            Mode::Exclusive | Mode::Shared => None,
        }
    }

    /// Sees whether somebody is there at all.
    pub(super) fn check(&self, within: Duration) -> Result<(), ServiceError> {
        let reach = || -> io::Result<()> {
            let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for address in self.authority.to_socket_addrs()? {
                match TcpStream::connect_timeout(&address, within) {
                    Ok(_) => return Ok(()),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        reach().map_err(|error| ServiceError::NotReached {
            service: self.service,
            authority: self.authority.clone(),
            error: error.to_string(),
        })
    }

    /// Waits until no other case of this machine has the server to itself, and, where this one shall have it so, until
    /// none has it at all.
    pub(super) fn lock(&self, mode: Mode, is_over: fn() -> bool) -> Result<Lock, ServiceError> {
        let mut hasher = DefaultHasher::new();
        (self.service, &self.authority).hash(&mut hasher);
        let name = format!("dynamo-test-{}-{:016x}.lock", self.service, hasher.finish());
        let path = Path::new(LOCKS).join(name);
        match Lock::take(path.clone(), mode, is_over) {
            Ok(lock) => lock.ok_or(ServiceError::CalledOff),
            Err(error) => Err(ServiceError::NoFolder { path, error: error.to_string() }),
        }
    }
}

/// The first `host:port` of a list of URLs, which may lack the scheme and the port.
fn authority(urls: &str, default_port: u16) -> Option<String> {
    let first = urls.split(',').next()?.trim();
    let rest = first.split_once("://").map_or(first, |(_, rest)| rest);
    let rest = rest.split(['/', '?', '#']).next()?;
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    // What stands in the brackets of an IPv6 address is no port.
    let has_port = host.rsplit(']').next()?.contains(':');
    match host {
        "" => None,
        host if has_port => Some(host.into()),
        host => Some(format!("{host}:{default_port}")),
    }
}

/// The lock of a server, for one case of all users and runs that may wipe it, or any number that may not; dropping it
/// releases it.
pub(super) struct Lock {
    path: PathBuf,
    /// The kernel releases it with the process.
    file: File,
}

impl Lock {
    /// None where the run is over before.
    fn take(path: PathBuf, mode: Mode, is_over: fn() -> bool) -> io::Result<Option<Self>> {
        let try_lock = match mode {
            Mode::Shared => try_lock_shared,
            Mode::Exclusive | Mode::Dedicated | Mode::Cluster => try_lock_exclusively,
        };
        loop {
            // Reading is enough to lock it, so another user's will do.
            let file = match File::open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let mut new = OpenOptions::new();
                    match new.write(true).create_new(true).mode(0o644).open(&path) {
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                        made => made?,
                    }
                }
                opened => opened?,
            };
            // Waiting in the kernel could not be called off.
            while let Err(error) = try_lock(&file) {
                if error.kind() != io::ErrorKind::WouldBlock {
                    return Err(error);
                }
                if is_over() {
                    return Ok(None);
                }
                thread::sleep(RETRY);
            }
            let locked = file.metadata()?;
            // Whoever held it before may have removed it.
            if fs::symlink_metadata(&path)
                .is_ok_and(|now| (now.dev(), now.ino()) == (locked.dev(), locked.ino()))
            {
                return Ok(Some(Self { path, file }));
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While others share it, it is theirs to remove. Another user's stays, which is as good.
        if try_lock_exclusively(&self.file).is_ok() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn the_address_is_found_in_whatever_names_a_server() {
        let of = |urls| authority(urls, 4222);
        assert_eq!(of("nats://user:p@ss@host:1/x,nats://b").as_deref(), Some("host:1"));
        assert_eq!(of("host").as_deref(), Some("host:4222"));
        assert_eq!(of("tls://[::1]").as_deref(), Some("[::1]:4222"));
        assert_eq!(of("nats://[::1]:5").as_deref(), Some("[::1]:5"));
        assert_eq!(of("nats://"), None);
    }

    fn take(path: &Path, mode: Mode) -> Lock {
        Lock::take(path.into(), mode, || false).unwrap().unwrap()
    }

    #[dynamo_test]
    fn a_lock_is_held_by_one_and_leaves_nothing(folder: TempDir) {
        let path = folder.path().join("lock");
        let held = std::sync::Mutex::new(());
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let lock = take(&path, Mode::Exclusive);
                    drop(held.try_lock().expect("it is held by one at a time"));
                    drop(lock);
                });
            }
        });
        assert!(!path.exists());
    }

    #[dynamo_test]
    fn a_lock_is_shared_by_those_who_wipe_nothing(folder: TempDir) {
        let path = folder.path().join("lock");
        let (one, another) = (take(&path, Mode::Shared), take(&path, Mode::Shared));
        let is_free = || try_lock_exclusively(&File::open(&path).unwrap()).is_ok();
        drop(one);
        assert!(!is_free(), "the other still has it");
        drop(another);
        assert!(!path.exists());
    }
}
