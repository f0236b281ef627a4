//! etcd: start and wipe.

use std::time::Duration;

use super::grpc::{self, Message};
use super::locate::Program;
use super::process::Server;
use super::{Launch, ServiceError};

const PROGRAM: Program = Program {
    name: "etcd",
    variable: "DYNAMO_TEST_ETCD",
    install: "install it (`apt-get install etcd-server`, `brew install etcd`, or https://etcd.io/docs/latest/install)",
};

/// One member on a port that it chooses, tuned to elect itself in tens of milliseconds instead of a second. The
/// JSON gateway is off because it dials the configured port, which is 0.
const ARGUMENTS: &[&str] = &[
    "--data-dir",
    "d",
    "--listen-client-urls",
    "http://127.0.0.1:0",
    "--advertise-client-urls",
    "http://127.0.0.1:0",
    // Relative to the working folder, because a socket's path must be short.
    "--listen-peer-urls",
    "unix://p:0",
    "--initial-advertise-peer-urls",
    "unix://p:0",
    "--initial-cluster",
    "default=unix://p:0",
    "--unsafe-no-fsync",
    "--heartbeat-interval",
    "10",
    "--election-timeout",
    "50",
    "--enable-grpc-gateway=false",
    "--logger",
    "zap",
    "--log-outputs",
    "stderr",
];

pub(super) fn start(launch: &Launch<'_>) -> Result<Server, ServiceError> {
    let path = PROGRAM.locate()?;
    // It takes every flag from a variable, too, and the user's shell may hold some for another server.
    let scrub = |name: &str| name.starts_with("ETCD_") && name != "ETCD_UNSUPPORTED_ARCH";
    Server::start(PROGRAM.name, &path, ARGUMENTS, scrub, launch, |line| {
        if !line.contains("serving client traffic insecurely") {
            return None;
        }
        let (_, rest) = line.split_once("127.0.0.1:")?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("127.0.0.1:{port}"))
    })
}

/// Revokes every lease and deletes every key.
pub(super) fn wipe(authority: &str, timeout: Duration) -> Result<(), String> {
    grpc::converse(authority, timeout, async |mut channel| {
        let leases = channel.call("/etcdserverpb.Lease/LeaseLeases", Message::default()).await?;
        // LeaseLeasesResponse.leases = 2, LeaseStatus.ID = 1
        for lease in leases.messages(2)? {
            if let Some(id) = lease.number(1)? {
                let revoke = Message::default().with_number(1, id);
                channel.call("/etcdserverpb.Lease/LeaseRevoke", revoke).await?;
            }
        }
        // DeleteRangeRequest.key = 1, range_end = 2: from "\0" to "\0" is every key.
        let everything = Message::default().with_bytes(1, b"\0").with_bytes(2, b"\0");
        channel.call("/etcdserverpb.KV/DeleteRange", everything).await?;
        Ok(())
    })
}
