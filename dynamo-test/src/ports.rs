//! TCP ports that no other process of the machine is given meanwhile. "Bind to port 0 and close" is a race; this is
//! none: whoever wants a port first takes a lock that bears its number, which the kernel drops with its holder.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::ops::Range;

use crate::seed;

/// Where the ports are that may be given out. Those of well-known servers lie mostly below.
const FIRST: u16 = 15_000;

/// The first of those that the system itself gives to outgoing connections, unless it says otherwise.
const EPHEMERAL: u16 = 32_768;

/// Fewer are too few to choose from.
const LEAST: u16 = 1_000;

/// The right to a port, while it is held.
pub(crate) struct Reservation {
    port: u16,
    _lock: lock::Lock,
}

/// No port is both free and not reserved.
#[derive(Clone, Debug, thiserror::Error)]
#[error("none of the ports {} to {} is free", .0.start, .0.end - 1)]
pub struct NoFreePort(Range<u16>);

impl Reservation {
    /// Reserves a port on which nobody listens.
    pub(crate) fn any() -> Result<Self, NoFreePort> {
        let range = range();
        let count = usize::from(range.end - range.start);
        // Runs that begin at the same moment do not try the same ones.
        let skipped = usize::try_from(seed::random() % count as u64).unwrap_or_default();
        let ports = range.clone().cycle().skip(skipped).take(count);
        ports.into_iter().find_map(Self::of).ok_or(NoFreePort(range))
    }

    /// Reserves this port, if it is free.
    fn of(port: u16) -> Option<Self> {
        let lock = lock::Lock::take(port).ok()?;
        is_free(port).then_some(Self { port, _lock: lock })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

/// The ports that may be given out.
fn range() -> Range<u16> {
    let setting = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let first = setting.split_whitespace().next().and_then(|first| first.parse().ok());
    let end = first.filter(|end| *end >= FIRST + LEAST).unwrap_or(EPHEMERAL);
    FIRST..end.min(EPHEMERAL)
}

/// Whether nobody listens, on whichever address.
fn is_free(port: u16) -> bool {
    let addresses: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
    addresses.into_iter().all(|address| match TcpListener::bind((address, port)) {
        Ok(_) => true,
        // Any other says that there is no such address here, IPv6 being off.
        Err(error) => error.kind() != ErrorKind::AddrInUse,
    })
}

/// An abstract socket: its name is taken or not in the very network namespace that the port is in, for all users.
#[cfg(target_os = "linux")]
mod lock {
    use std::io;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    pub(super) struct Lock(#[expect(dead_code, reason = "it is held")] UnixDatagram);

    impl Lock {
        pub(super) fn take(port: u16) -> io::Result<Self> {
            let name = SocketAddr::from_abstract_name(format!("dynamo-test-port-{port}"))?;
            UnixDatagram::bind_addr(&name).map(Self)
        }
    }
}

/// A file's lock, where there are no abstract sockets.
#[cfg(not(target_os = "linux"))]
mod lock {
    use std::fs::{File, Permissions};
    use std::io;
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{FlockOperation, flock};

    pub(super) struct Lock(#[expect(dead_code, reason = "it is held")] File);

    impl Lock {
        pub(super) fn take(port: u16) -> io::Result<Self> {
            // Whatever `TMPDIR` says: all users must mean the same file.
            let path = format!("/tmp/dynamo-test-port-{port}");
            let file = File::options().create(true).append(true).open(&path)?;
            // Of another user's file it cannot be changed, and needs not be.
            let _ = file.set_permissions(Permissions::from_mode(0o666));
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok(Self(file))
        }
    }
}
