//! With real sockets; what is checked is which bytes arrive and in which order, never how long they took.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::conditions::Passage;
use super::*;
use crate::prelude::*;

/// Long enough for a failure to be one; no success waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of the test's own, and a proxy in front of it.
struct Relayed {
    proxy: Proxy,
    server: TcpListener,
}

impl Fixture for Relayed {
    type Uses = TestInfo;

    async fn setup(info: TestInfo, _case: &CaseContext) -> Result<Self, FixtureError> {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Proxy::start(&any_port(), info.seed())?;
        proxy.lead_to(Some(Endpoint::Tcp(server.local_addr()?)));
        Ok(Self { proxy, server })
    }
}

fn any_port() -> Endpoint {
    Endpoint::Tcp((Ipv4Addr::LOCALHOST, 0).into())
}

impl Relayed {
    fn address(&self) -> SocketAddr {
        match self.proxy.endpoint() {
            Endpoint::Tcp(address) => *address,
            Endpoint::Unix(path) => panic!("{} is no port", path.display()),
        }
    }

    /// A connection: the client's end and the server's.
    fn connect(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.address()).unwrap();
        let server = self.server.accept().unwrap().0;
        for end in [&client, &server] {
            end.set_read_timeout(Some(PATIENCE)).unwrap();
        }
        (client, server)
    }
}

/// More than the queues and the kernel's buffers hold, and different everywhere.
fn megabytes(count: usize) -> Vec<u8> {
    let numbers = 0..(count << 20) as u32 / 4;
    numbers.flat_map(|number| number.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect()
}

/// Sends everything and reads all that comes back, at the same time.
fn exchange(mut client: TcpStream, mut server: TcpStream, sent: &[u8]) -> Vec<u8> {
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut received = Vec::new();
            server.read_to_end(&mut received).unwrap();
            server.write_all(&received).unwrap();
        });
        client.write_all(sent).unwrap();
        // The server hears the end, and answers all the same.
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        answer
    })
}

fn receives(mut end: &TcpStream, expected: &[u8]) {
    let mut received = vec![0; expected.len()];
    end.read_exact(&mut received).unwrap();
    assert_eq!(received, expected);
}

/// What a read that finds nothing, or a broken connection, says.
fn read_error(mut end: &TcpStream) -> ErrorKind {
    match end.read(&mut [0; 16]) {
        Ok(read) => panic!("{read} bytes arrived"),
        Err(error) => error.kind(),
    }
}

/// That nothing has arrived, though the relay has since accepted another connection and made it to the server.
fn nothing_has_arrived(relayed: &Relayed, end: &TcpStream) {
    relayed.connect();
    end.set_nonblocking(true).unwrap();
    assert_eq!(read_error(end), ErrorKind::WouldBlock);
    end.set_nonblocking(false).unwrap();
}

#[dynamo_test]
fn all_bytes_arrive_in_order_and_each_side_ends_by_itself(relayed: Relayed) {
    let sent = megabytes(8);
    let (client, server) = relayed.connect();
    assert!(exchange(client, server, &sent) == sent);
}

#[dynamo_test]
fn bytes_that_are_late_keep_their_order(relayed: Relayed) {
    let late = Passage {
        latency: Duration::from_millis(2),
        jitter: Duration::from_millis(5),
        ..Passage::default()
    };
    relayed.proxy.impose(Conditions { to_server: late, from_server: late, refuse: false });
    let sent = megabytes(2);
    let (client, server) = relayed.connect();
    assert!(exchange(client, server, &sent) == sent);
}

#[dynamo_test]
fn a_narrow_passage_lets_everything_through(relayed: Relayed) {
    let narrow = Passage { bytes_per_second: NonZeroU64::new(8 << 20), ..Passage::default() };
    relayed.proxy.impose(Conditions { to_server: narrow, ..Conditions::default() });
    let sent = megabytes(1);
    let (client, server) = relayed.connect();
    assert!(exchange(client, server, &sent) == sent);
}

#[dynamo_test]
fn what_waits_for_a_slow_passage_goes_when_it_is_healed(relayed: Relayed) {
    let slow = Passage {
        latency: Duration::from_secs(3600),
        bytes_per_second: NonZeroU64::new(1),
        ..Passage::default()
    };
    relayed.proxy.impose(Conditions { to_server: slow, ..Conditions::default() });
    let (mut client, server) = relayed.connect();
    client.write_all(b"before").unwrap();
    // The other direction is as fast as ever.
    let mut answering = &server;
    answering.write_all(b"answer").unwrap();
    receives(&client, b"answer");
    nothing_has_arrived(&relayed, &server);
    relayed.proxy.impose(Conditions::default());
    client.write_all(b" after").unwrap();
    receives(&server, b"before after");
}

#[dynamo_test]
fn a_cut_holds_back_one_direction_and_loses_nothing(relayed: Relayed) {
    let (mut client, server) = relayed.connect();
    client.write_all(b"first").unwrap();
    receives(&server, b"first");
    let cut = Passage { cut: true, ..Passage::default() };
    relayed.proxy.impose(Conditions { to_server: cut, ..Conditions::default() });
    client.write_all(b"second").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answering = &server;
    answering.write_all(b"answer").unwrap();
    receives(&client, b"answer");
    nothing_has_arrived(&relayed, &server);
    relayed.proxy.impose(Conditions::default());
    receives(&server, b"second");
    assert_eq!((&server).read(&mut [0; 1]).unwrap(), 0, "the end arrives, too");
}

#[dynamo_test]
fn a_cut_accepts_who_connects_and_keeps_them(relayed: Relayed) {
    let mut conditions = Conditions::default();
    for passage in conditions.passages(Direction::Both) {
        passage.cut = true;
    }
    relayed.proxy.impose(conditions);
    let (mut client, server) = relayed.connect();
    client.write_all(b"hello").unwrap();
    nothing_has_arrived(&relayed, &server);
    relayed.proxy.impose(Conditions::default());
    receives(&server, b"hello");
}

#[dynamo_test]
fn a_reset_breaks_what_is_connected_and_nothing_else(relayed: Relayed) {
    let (client, server) = relayed.connect();
    relayed.proxy.reset();
    assert_eq!(read_error(&client), ErrorKind::ConnectionReset);
    assert_eq!(read_error(&server), ErrorKind::ConnectionReset);
    let (mut client, server) = relayed.connect();
    client.write_all(b"again").unwrap();
    receives(&server, b"again");
}

#[dynamo_test]
fn a_reset_reaches_through_a_cut(relayed: Relayed) {
    let (client, _server) = relayed.connect();
    let cut = Passage { cut: true, ..Passage::default() };
    relayed.proxy.impose(Conditions { from_server: cut, to_server: cut, refuse: false });
    relayed.proxy.reset();
    assert_eq!(read_error(&client), ErrorKind::ConnectionReset);
}

#[dynamo_test]
fn a_server_s_reset_is_the_client_s(relayed: Relayed) {
    let (client, server) = relayed.connect();
    rustix::net::sockopt::set_socket_linger(&server, Some(Duration::ZERO)).unwrap();
    drop(server);
    assert_eq!(read_error(&client), ErrorKind::ConnectionReset);
}

#[dynamo_test]
fn who_is_refused_has_no_effect_on_who_is_connected(relayed: Relayed) {
    let (mut client, server) = relayed.connect();
    relayed.proxy.impose(Conditions { refuse: true, ..Conditions::default() });
    let refused = TcpStream::connect(relayed.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    client.write_all(b"still here").unwrap();
    receives(&server, b"still here");
    // The port was kept.
    assert!(TcpListener::bind(relayed.address()).is_err());
    relayed.proxy.impose(Conditions::default());
    relayed.connect();
}

#[dynamo_test]
fn who_is_refused_does_not_come_in_by_a_process_that_is_just_forked(relayed: Relayed) {
    // Until it executes its program, it has all that is open here.
    let (mut ours, mut theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("true");
    let is_held = move || {
        theirs.write_all(b"!")?;
        theirs.read(&mut [0]).map(drop)
    };
    // SAFETY: it only writes and reads, which a forked process may.
    unsafe { command.pre_exec(is_held) };
    thread::scope(|scope| {
        let forked = scope.spawn(|| command.status());
        ours.read_exact(&mut [0]).unwrap();
        relayed.proxy.lead_to(None);
        let refused = TcpStream::connect(relayed.address());
        ours.write_all(b"!").unwrap();
        assert!(forked.join().unwrap().unwrap().success());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[dynamo_test]
fn the_address_stays_while_the_server_moves(relayed: Relayed) {
    let Relayed { proxy, server } = relayed;
    proxy.lead_to(None);
    drop(server);
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let moved = Relayed { proxy, server };
    let refused = TcpStream::connect(moved.address()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    moved.proxy.lead_to(Some(Endpoint::Tcp(moved.server.local_addr().unwrap())));
    let (mut client, server) = moved.connect();
    client.write_all(b"found").unwrap();
    receives(&server, b"found");
}

#[dynamo_test]
fn a_server_that_is_not_there_breaks_the_connection(relayed: Relayed) {
    let Relayed { proxy, server } = relayed;
    drop(server);
    let Endpoint::Tcp(address) = *proxy.endpoint() else { unreachable!("it was given a port") };
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(read_error(&client), ErrorKind::ConnectionReset);
}

#[dynamo_test]
fn unix_sockets_are_relayed_as_well(folder: TempDir) {
    let (front, back) = (folder.path().join("front"), folder.path().join("back"));
    let server = UnixListener::bind(&back).unwrap();
    let proxy = Proxy::start(&Endpoint::Unix(front.clone()), 0).unwrap();
    assert!(UnixStream::connect(&front).is_err(), "it leads nowhere yet");
    proxy.lead_to(Some(Endpoint::Unix(back)));
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut received = String::new();
        server.accept().unwrap().0.read_to_string(&mut received).unwrap();
        sender.send(received).unwrap();
    });
    let mut client = UnixStream::connect(&front).unwrap();
    client.write_all(b"hello").unwrap();
    drop(client);
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), "hello");
    drop(proxy);
    assert!(!front.exists(), "its socket goes with it");
}
