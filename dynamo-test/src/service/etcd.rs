//! etcd: start and wipe.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ServiceError;
use super::etcd_cluster;
use super::grpc::{self, Channel, Message};
use super::kind::{ExternalNames, Kind, Located, Unready};
use super::locate::Program;
#[cfg(feature = "containers")]
use super::spec::ContainerSpec;
use super::spec::{PeerSpec, Port, ProcessSpec};

const PROGRAM: Program = Program {
    name: "etcd",
    variable: "DYNAMO_TEST_ETCD",
    install: "install it (`apt-get install etcd-server`, `brew install etcd`, or https://etcd.io/docs/latest/install)",
};

/// One member on a port that it chooses.
const ARGUMENTS: &[&str] = &[
    "--data-dir",
    "d",
    "--listen-client-urls",
    "http://127.0.0.1:{port}",
    "--advertise-client-urls",
    "http://127.0.0.1:{port}",
    // Relative to the working folder, because a socket's path must be short.
    "--listen-peer-urls",
    "unix://p:0",
    "--initial-advertise-peer-urls",
    "unix://p:0",
    "--initial-cluster",
    "default=unix://p:0",
];

/// One member that has all ports to itself. The image has no entry point, so the program comes first.
#[cfg(feature = "containers")]
const IN_A_CONTAINER: &[&str] = &[
    "etcd",
    "--data-dir",
    "/tmp/dynamo-test",
    "--listen-client-urls",
    "http://0.0.0.0:2379",
    "--advertise-client-urls",
    "http://127.0.0.1:2379",
    "--listen-peer-urls",
    "http://127.0.0.1:2380",
    "--initial-advertise-peer-urls",
    "http://127.0.0.1:2380",
    "--initial-cluster",
    "default=http://127.0.0.1:2380",
];

/// Has it elect itself in tens of milliseconds instead of a second.
const ELECTION: &[&str] = &["--heartbeat-interval", "10", "--election-timeout", "50"];

/// What suits tests.
pub(super) const TUNING: &[&str] = &[
    "--unsafe-no-fsync",
    // The JSON gateway would dial the configured port, which may be 0.
    "--enable-grpc-gateway=false",
    "--logger",
    "zap",
    "--log-outputs",
    "stderr",
];

/// An etcd: a single member, or a cluster of them.
#[derive(Debug)]
pub(crate) struct EtcdServer {
    /// Those that follow the usual ones.
    pub(crate) arguments: &'static [&'static str],
    /// What the arguments are called.
    pub(crate) configuration: fn() -> Option<&'static str>,
}

impl Kind for EtcdServer {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn variable(&self) -> &'static str {
        "ETCD_ENDPOINTS"
    }

    fn server(&self) -> &'static str {
        PROGRAM.name
    }

    fn configuration(&self) -> Option<&'static str> {
        (self.configuration)()
    }

    /// Keys that were deleted count towards a quota, and an alarm lasts.
    fn can_be_wiped(&self) -> bool {
        self.arguments.is_empty()
    }

    fn external(&self) -> Option<ExternalNames> {
        Some(ExternalNames {
            variable: "DYNAMO_TEST_ETCD_ENDPOINTS",
            default_port: 2379,
            credentials: None,
            ca_certificate: None,
        })
    }

    fn process(&self, named: Option<&Path>) -> Result<ProcessSpec, ServiceError> {
        let port = Port::Announced {
            any: "0".into(),
            line: "serving client traffic insecurely".into(),
            before: "127.0.0.1:".into(),
        };
        let arguments = ARGUMENTS.iter().chain(ELECTION).chain(TUNING).chain(self.arguments);
        Ok(process(PROGRAM.locate(named)?, arguments, port))
    }

    fn cluster(&self, named: Option<&Path>) -> Result<Option<Vec<PeerSpec>>, ServiceError> {
        Ok(Some(etcd_cluster::members(&PROGRAM.locate(named)?, self.arguments)))
    }

    #[cfg(feature = "containers")]
    fn container(&self) -> Option<ContainerSpec> {
        let command = IN_A_CONTAINER.iter().chain(ELECTION).chain(TUNING).chain(self.arguments);
        Some(ContainerSpec {
            image: "quay.io/coreos/etcd:v3.5.21".into(),
            variable: self.image_variable(),
            command: command.map(|word| (*word).into()).collect(),
            environment: Vec::new(),
            files: Vec::new(),
            port: 2379,
        })
    }

    fn url(&self, authority: &str, _part: Option<u32>) -> String {
        let urls: Vec<String> = members(authority).map(|one| format!("http://{one}")).collect();
        urls.join(",")
    }

    fn prefix(&self, run: &str, case: &str) -> String {
        format!("/dynamo-test/{run}/{case}/")
    }

    /// Reads a key of each member, as `etcdctl endpoint health` does: that takes a leader.
    fn check(&self, server: &Located<'_>, within: Duration) -> Result<(), Unready> {
        members(server.authority).try_for_each(|member| {
            let read = grpc::converse(member, within, async |mut channel| {
                // RangeRequest.key = 1
                let key = Message::default().with_bytes(1, b"health");
                channel.call("/etcdserverpb.KV/Range", key).await
            });
            read.map(drop).map_err(Unready::NotYet)
        })
    }

    /// Revokes every lease and deletes every key, by any member.
    fn wipe(&self, server: &Located<'_>, within: Duration) -> Result<(), String> {
        let member = members(server.authority).next().unwrap_or_default();
        grpc::converse(member, within, async |mut channel| {
            revoke_leases(&mut channel).await?;
            // DeleteRangeRequest.key = 1, range_end = 2: from "\0" to "\0" is every key.
            let everything = Message::default().with_bytes(1, b"\0").with_bytes(2, b"\0");
            channel.call("/etcdserverpb.KV/DeleteRange", everything).await?;
            Ok(())
        })
    }

    fn expire_leases(&self, server: &Located<'_>, within: Duration) -> Result<(), String> {
        grpc::converse(server.authority, within, async |mut channel| {
            revoke_leases(&mut channel).await
        })
    }

    /// Deletes the keys that begin so. Whose the leases are nobody knows.
    fn clear(&self, server: &Located<'_>, prefix: &str, within: Duration) -> Result<(), String> {
        grpc::converse(server.authority, within, async |mut channel| {
            // DeleteRangeRequest.key = 1, range_end = 2
            let keys =
                Message::default().with_bytes(1, prefix.as_bytes()).with_bytes(2, &behind(prefix));
            channel.call("/etcdserverpb.KV/DeleteRange", keys).await.map(drop)
        })
    }
}

/// Revokes every lease: what etcd itself does with one that has run out.
async fn revoke_leases(channel: &mut Channel) -> Result<(), String> {
    let leases = channel.call("/etcdserverpb.Lease/LeaseLeases", Message::default()).await?;
    // LeaseLeasesResponse.leases = 2, LeaseStatus.ID = 1
    for lease in leases.messages(2)? {
        if let Some(id) = lease.number(1)? {
            let revoke = Message::default().with_number(1, id);
            channel.call("/etcdserverpb.Lease/LeaseRevoke", revoke).await?;
        }
    }
    Ok(())
}

/// The first key behind all that begin so.
fn behind(prefix: &str) -> Vec<u8> {
    let mut key = prefix.as_bytes().to_vec();
    // No byte of a text is the greatest that there is.
    if let Some(last) = key.last_mut() {
        *last += 1;
    }
    key
}

/// An etcd by its flags.
pub(super) fn process<'a>(
    program: PathBuf,
    arguments: impl IntoIterator<Item = &'a &'a str>,
    port: Port,
) -> ProcessSpec {
    // What etcd needs on some machines to start at all.
    let unsupported = "ETCD_UNSUPPORTED_ARCH";
    let kept = std::env::var(unsupported).ok().map(|value| (unsupported.into(), value));
    ProcessSpec {
        program,
        arguments: arguments.into_iter().map(|argument| (*argument).into()).collect(),
        // It takes every flag from a variable, too, and the user's shell may hold some for another server.
        without: vec!["ETCD_".into()],
        environment: kept.into_iter().collect(),
        files: Vec::new(),
        port,
    }
}

/// The members' authorities.
fn members(authority: &str) -> impl Iterator<Item = &str> {
    authority.split(',')
}
