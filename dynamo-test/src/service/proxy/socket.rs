//! TCP and unix sockets, as far as the relay tells them apart.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::net::sockopt::set_socket_linger;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::service::socket_path::address_of;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Where one listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The right to listen at an endpoint, also while nobody does.
pub(super) enum Port {
    Tcp {
        endpoint: Endpoint,
        address: SocketAddr,
        /// Bound, but never listening: it keeps the port from others while connections are refused.
        _holder: TcpSocket,
    },
    Unix {
        endpoint: Endpoint,
        path: PathBuf,
    },
}

impl Port {
    pub(super) fn reserve(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(wanted) => {
                let holder = bound(*wanted)?;
                let address = holder.local_addr()?;
                Ok(Self::Tcp { endpoint: Endpoint::Tcp(address), address, _holder: holder })
            }
            Endpoint::Unix(path) => {
                Ok(Self::Unix { endpoint: endpoint.clone(), path: path.clone() })
            }
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Tcp { endpoint, .. } | Self::Unix { endpoint, .. } => endpoint,
        }
    }

    pub(super) fn listen(&self) -> io::Result<Listener> {
        match self {
            Self::Tcp { address, .. } => Ok(Listener::Tcp(bound(*address)?.listen(BACKLOG)?)),
            Self::Unix { path, .. } => {
                let (address, _folder) = address_of(path)?;
                UnixListener::bind(address).map(Listener::Unix)
            }
        }
    }

    /// Removes what a listener that was dropped has left.
    pub(super) fn close(&self) {
        if let Self::Unix { path, .. } = self {
            // It may have gone with its folder.
            let _ = fs::remove_file(path);
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.close();
    }
}

/// A socket that shares its port with others of this user that say the same of themselves: ours. `SO_REUSEADDR`
/// would let strangers in.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Drop for Listener {
    fn drop(&mut self) {
        let how = rustix::net::Shutdown::Both;
        // A process that was just forked holds it, too, until it executes its program: to close it would not do. What
        // cannot be shut down is closed then.
        let _ = match self {
            Self::Tcp(listener) => rustix::net::shutdown(listener, how),
            Self::Unix(listener) => rustix::net::shutdown(listener, how),
        };
    }
}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => Stream::tcp(listener.accept().await?.0),
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// A connection that several tasks read and write.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) async fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(address) => Self::tcp(TcpStream::connect(address).await?),
            Endpoint::Unix(path) => {
                let (address, _folder) = address_of(path)?;
                UnixStream::connect(address).await.map(Self::Unix)
            }
        }
    }

    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.readable().await,
            Self::Unix(stream) => stream.readable().await,
        }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
        }
    }

    pub(super) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self {
                Self::Tcp(stream) => {
                    stream.writable().await?;
                    stream.try_write(bytes)
                }
                Self::Unix(stream) => {
                    stream.writable().await?;
                    stream.try_write(bytes)
                }
            };
            match written {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Tells the other side that nothing more will come, and goes on reading.
    pub(super) fn shut_down_writing(&self) -> io::Result<()> {
        let how = rustix::net::Shutdown::Write;
        match self {
            Self::Tcp(stream) => rustix::net::shutdown(stream, how)?,
            Self::Unix(stream) => rustix::net::shutdown(stream, how)?,
        }
        Ok(())
    }

    /// Has the other side see a reset when this is dropped, not an end.
    pub(super) fn break_on_drop(&self) {
        if let Self::Tcp(stream) = self {
            // It fails only where the connection is gone already.
            let _ = set_socket_linger(stream, Some(std::time::Duration::ZERO));
        }
    }
}
