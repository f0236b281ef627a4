use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::{says_yes, variable};

/// How long the hub may take to accept a connection, its name's resolution included.
const REACHED_WITHIN: Duration = Duration::from_secs(5);

/// Where models are downloaded from.
pub(crate) struct Hub {
    endpoint: String,
}

/// Why nothing can be downloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    #[error("{0} forbids downloads")]
    Offline(&'static str),
    /// Without the rest of the URL, which may hold a password.
    #[error("{host}:{port} cannot be reached: {error}")]
    NoAnswer { host: String, port: u16, error: io::Error },
}

impl Hub {
    /// The one that the environment names.
    pub(crate) fn of_environment() -> Self {
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        Self { endpoint: endpoint.trim_end_matches('/').into() }
    }

    /// Whether downloads are allowed and somebody accepts a connection: the hub, or the proxy that stands before it.
    pub(crate) fn reach(&self) -> Result<(), Unreachable> {
        let variables = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"];
        if let Some(offline) = variables.into_iter().find(|name| says_yes(name)) {
            return Err(Unreachable::Offline(offline));
        }
        let (host, port) = authority(self.proxy().as_ref().unwrap_or(&self.endpoint));
        connect((host.clone(), port)).map_err(|error| Unreachable::NoAnswer { host, port, error })
    }

    /// The proxy for this endpoint. Those excepted by `NO_PROXY` are hosts of one's own.
    fn proxy(&self) -> Option<String> {
        let names = match self.endpoint.starts_with("https://") {
            true => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
            false => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
        };
        let (host, _) = authority(&self.endpoint);
        let excepted = ["no_proxy", "NO_PROXY"].into_iter().find_map(variable).unwrap_or_default();
        let mut excepted =
            excepted.split(',').map(|name| name.trim().trim_start_matches(['*', '.']));
        if excepted.any(|name| !name.is_empty() && host.ends_with(name)) {
            return None;
        }
        names.into_iter().find_map(variable)
    }
}

/// Host and port of a URL, the latter by its scheme where it names none.
fn authority(url: &str) -> (String, u16) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Without the user's name and password.
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let usual = if scheme == "https" { 443 } else { 80 };
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host.trim_matches(['[', ']']).into(), port.parse().unwrap_or(usual))
        }
        _ => (authority.trim_matches(['[', ']']).into(), usual),
    }
}

/// Connects, and hangs up.
fn connect(address: (String, u16)) -> io::Result<()> {
    let (answered, answer) = mpsc::channel();
    // Nothing bounds how long a name's resolution takes, so it may go on alone.
    thread::spawn(move || {
        let reached = address.to_socket_addrs().and_then(|addresses| {
            let mut last = io::Error::other("its name has no address");
            for address in addresses {
                match TcpStream::connect_timeout(&address, REACHED_WITHIN) {
                    Ok(_) => return Ok(()),
                    Err(error) => last = error,
                }
            }
            Err(last)
        });
        // Whoever asked may have had enough.
        let _ = answered.send(reached);
    });
    let reached = answer.recv_timeout(REACHED_WITHIN);
    reached.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn an_endpoint_s_host_and_port_are_found() {
        for (url, host, port) in [
            ("https://huggingface.co", "huggingface.co", 443),
            ("http://mirror.example/hf", "mirror.example", 80),
            ("http://127.0.0.1:8080/", "127.0.0.1", 8080),
            ("https://user:secret@proxy:3128", "proxy", 3128),
            ("http://[::1]:9", "::1", 9),
            ("https://[fe80::1]/x", "fe80::1", 443),
            ("proxy:3128", "proxy", 3128),
        ] {
            assert_eq!(authority(url), (host.to_owned(), port), "{url}");
        }
    }
}
