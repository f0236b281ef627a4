//! A connection to a nats-server. The protocol is lines of text, so a client library would cost more than it saves.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::kind::Located;
use super::credentials::Named;

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
#[derive(Default, Deserialize)]
struct Info {
    version: String,
    #[serde(default)]
    tls_required: bool,
}

/// Who connects.
#[derive(Debug, Serialize)]
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
    fn of(url: &'a str) -> Self {
        let (user, pass, auth_token) = match Named::by(url) {
            Named::Nobody => (None, None, None),
            Named::User { name, password } => (Some(name), Some(password), None),
            Named::Token(token) => (None, None, Some(token)),
        };
        Self { verbose: false, pedantic: false, user, pass, auth_token }
    }
}

/// What is left of a time span that began with it.
pub(super) struct Deadline(Instant);

impl Deadline {
    fn after(span: Duration) -> Self {
        Self(Instant::now() + span)
    }

    /// What is left; an error once nothing is.
    pub(super) fn left(&self) -> io::Result<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

pub(super) struct Connection {
    stream: BufReader<TcpStream>,
    pub(super) deadline: Deadline,
    info: Info,
}

impl Connection {
    /// Connects, within `timeout` for this and all that follows, and hears what the server says of itself.
    pub(super) fn open(server: &Located<'_>, timeout: Duration) -> io::Result<Self> {
        let deadline = Deadline::after(timeout);
        let stream = TcpStream::connect(server.authority)?;
        stream.set_nodelay(true)?;
        let mut connection =
            Self { stream: BufReader::new(stream), deadline, info: Info::default() };
        let line = connection.line()?;
        let info = line.strip_prefix("INFO ").ok_or_else(|| unexpected(&line))?;
        connection.info = serde_json::from_str(info)?;
        Ok(connection)
    }

    pub(super) fn version(&self) -> &str {
        &self.info.version
    }

    /// Says who it is, as the server's URL has it; from then on it may ask.
    pub(super) fn log_in(&mut self, server: &Located<'_>) -> io::Result<()> {
        if self.info.tls_required || server.url.starts_with("tls://") {
            return Err(io::Error::other(
                "it takes TLS, which the wipe does not speak: leave out `wipe = true`, or name a server without TLS",
            ));
        }
        let user = serde_json::to_string(&User::of(server.url))?;
        self.send(&format!("CONNECT {user}\r\nSUB wipe 1\r\n"))
    }

    /// Asks JetStream's API.
    pub(super) fn request<T: DeserializeOwned>(
        &mut self,
        subject: &str,
        payload: &str,
    ) -> io::Result<T> {
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
