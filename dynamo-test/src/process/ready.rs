//! When a process is ready.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::LinePattern;

/// How long a server may take to answer one question.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// More than any line that begins an HTTP answer.
const STATUS_LINE: u64 = 256;

/// How one sees that a process is ready for use.
pub struct Ready(pub(super) Condition);

pub(super) enum Condition {
    Port(u16),
    Http { port: u16, path: String, answer: Option<String> },
    Line(LinePattern),
    Check(Box<dyn FnMut() -> bool + Send>),
}

impl Ready {
    /// It accepts TCP connections on a port of this machine.
    pub fn port(port: u16) -> Self {
        Self(Condition::Port(port))
    }

    /// It answers `GET http://localhost:PORT/PATH` with a status of 200 to 299.
    pub fn http(port: u16, path: impl Into<String>) -> Self {
        let path = path.into();
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        Self(Condition::Http { port, path, answer: None })
    }

    /// It printed such a line, to its standard output or error: one that contains a text, or that a closure accepts.
    pub fn line(pattern: impl Into<LinePattern>) -> Self {
        Self(Condition::Line(pattern.into()))
    }

    /// A check holds. It is asked again and again, on a thread where it may block.
    pub fn when(check: impl FnMut() -> bool + Send + 'static) -> Self {
        Self(Condition::Check(Box::new(check)))
    }
}

impl Condition {
    /// The port that nobody may use before the process does.
    pub(super) fn port(&self) -> Option<u16> {
        match self {
            Self::Port(port) | Self::Http { port, .. } => Some(*port),
            Self::Line(_) | Self::Check(_) => None,
        }
    }

    /// Whether it holds now. `next_line` looks for a line among those not looked at yet.
    pub(super) fn holds(&mut self, next_line: impl FnOnce(&LinePattern) -> Option<String>) -> bool {
        match self {
            Self::Port(port) => connect(*port).is_ok(),
            Self::Http { port, path, answer } => match get(*port, path) {
                Ok(status) if (200..300).contains(&status) => true,
                Ok(status) => {
                    *answer = Some(format!("status {status}"));
                    false
                }
                Err(error) => {
                    *answer = Some(error.to_string());
                    false
                }
            },
            Self::Line(pattern) => next_line(pattern).is_some(),
            Self::Check(check) => check(),
        }
    }
}

/// What is waited for, as the end of a sentence: "it ended before …".
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "it accepted connections on port {port}"),
            Self::Http { port, path, answer } => {
                write!(f, "it answered GET http://localhost:{port}{path} with a status of 2xx")?;
                answer.as_ref().map_or(Ok(()), |answer| write!(f, " (last: {answer})"))
            }
            Self::Line(pattern) => write!(f, "it printed {pattern}"),
            Self::Check(_) => f.write_str("the check of its readiness held"),
        }
    }
}

/// Connects to whoever listens on a port of this machine. "localhost" is the one address to some servers, the other to
/// others.
pub(super) fn connect(port: u16) -> io::Result<TcpStream> {
    let connect = |address: IpAddr| {
        TcpStream::connect_timeout(&SocketAddr::new(address, port), ANSWER_WITHIN)
    };
    connect(Ipv4Addr::LOCALHOST.into())
        .or_else(|error| connect(Ipv6Addr::LOCALHOST.into()).map_err(|_| error))
}

/// The status with which a server answers.
fn get(port: u16, path: &str) -> io::Result<u16> {
    let mut stream = connect(port)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )?;
    let mut line = Vec::new();
    BufReader::new(stream.take(STATUS_LINE)).read_until(b'\n', &mut line)?;
    let line = String::from_utf8_lossy(&line);
    let status = line.strip_prefix("HTTP/").and_then(|line| line.split_whitespace().nth(1));
    status
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::other(format!("no HTTP: {:?}", line.trim_end())))
}
