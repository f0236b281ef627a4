//! Services: real servers that a case talks to, started at first need, leased to one case at a time, wiped before
//! each, and gone when the run is.
//!
//! ```text
//! a case's Want ─Kind─▶ ServerSpec ─▶ Client ══socket══▶ supervisor ─▶ server
//! ```
//!
//! What is known of a service ([`kind`]) is known to the process that runs its cases: what it takes to start a server,
//! whether one is ready, how it is wiped. The [`supervisor`], one for all processes of a run, owns the servers, and
//! knows only what it is told of each ([`spec`]).

mod ancestry;
mod chaos;
mod client;
mod disturb;
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "etcd")]
mod etcd_cluster;
mod external;
mod fault;
#[cfg(feature = "etcd")]
mod grpc;
mod kind;
mod lease;
mod locate;
#[cfg(feature = "nats")]
mod nats;
mod origin;
mod proxy;
mod run;
mod services;
mod socket_path;
mod spec;
pub(crate) mod supervisor;
mod tail;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use chaos::{Chances, Scheduled};
pub(crate) use client::suspend;
#[cfg(feature = "etcd")]
pub(crate) use etcd::EtcdServer;
#[cfg(feature = "etcd")]
pub(crate) use etcd_cluster::{MEMBERS as ETCD_MEMBERS, leader as etcd_leader};
pub use fault::Fault;
pub(crate) use kind::{Kind, Located, Unready, Want};
pub(crate) use lease::{Granted, Handle, Lease};
pub(crate) use locate::locate;
#[cfg(feature = "nats")]
pub use nats::NatsCredentials;
#[cfg(feature = "nats")]
pub(crate) use nats::{Named, NatsServer, NatsSettings};
pub(crate) use origin::{Backend, Origins};
pub use proxy::Direction;
pub(crate) use run::CONTROLLER_VARIABLE;
pub(crate) use services::{ServiceOptions, Services};
pub(crate) use spec::{Mode, Port, ProcessSpec};
pub(crate) use wire::Command;

use origin::AlsoLookedFor;
use tail::Tail;
use wire::ServerError;

/// Why a service cannot be given to a case. An error of the environment, never of the test.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ServiceError {
    #[error(
        "no {program} found (looked in PATH and ${variable}): {install}, or name the program in ${variable}"
    )]
    NotFound { program: &'static str, variable: String, install: &'static str },
    #[error("{missing}; {also}")]
    Nowhere { missing: Box<Self>, also: AlsoLookedFor },
    #[cfg(not(feature = "containers"))]
    #[error(
        "dynamo-test was built without containers: add its feature `containers`, or pass --services process"
    )]
    NoContainers,
    #[cfg(feature = "containers")]
    #[error(
        "there is no image of {service}, so it cannot run in a container: pass --services process"
    )]
    NoImage { service: &'static str },
    #[error("a cluster of {service} can be had as processes alone: pass --services process")]
    NoCluster { service: &'static str },
    #[error("--services external, but no server is named for {service}: set ${variable}")]
    NotNamed { service: &'static str, variable: &'static str },
    #[error("${variable}, or `url` under [services.{service}], is no address of a server")]
    NotAnAddress { service: &'static str, variable: &'static str },
    #[error("the external {service} at {authority} cannot be reached: {error}")]
    NotReached { service: &'static str, authority: String, error: String },
    #[error(
        "needs a {server} to itself, and the one at {authority} may hold what is somebody's: `external = {{ wipe = true }}` under [services.{service}] of dynamo-test.toml allows to delete all of it"
    )]
    NotToBeWiped { server: &'static str, authority: String, service: &'static str },
    #[error("needs a {server} that it may stop, and the one at {authority} is somebody else's")]
    NotToBeStopped { server: &'static str, authority: String },
    #[error(
        "needs a {server} that is configured as `{configuration}` says, and the one at {authority} is somebody else's"
    )]
    NotToBeConfigured { server: &'static str, authority: String, configuration: &'static str },
    #[error(
        "needs a {server} to itself and one that it shares, and there is only the one at {authority}"
    )]
    OnlyOne { server: &'static str, authority: String },
    #[error("no folder for the run's servers could be made at {}: {error} (TMPDIR names another place)", path.display())]
    NoFolder { path: PathBuf, error: String },
    #[error(
        "{} is no folder that only user {user} may enter, so no servers are started in it: remove it, or have TMPDIR name another place",
        path.display()
    )]
    NotOurFolder { path: PathBuf, user: u32 },
    #[error("the supervisor of the run's servers could not be started in {}: {error}", folder.display())]
    NoSupervisor { folder: PathBuf, error: String },
    #[error(
        "the supervisor of the run's servers is gone, and they with it; its last lines:\n{tail}"
    )]
    SupervisorGone { tail: Tail },
    #[error(transparent)]
    Server(#[from] ServerError),
    #[cfg(feature = "nats")]
    #[error("{name} is version {found}, {needed} or newer is needed: {install}")]
    TooOld { name: &'static str, found: String, needed: &'static str, install: &'static str },
    #[error(
        "{name} was not ready for use within {} s: {reason}; its last lines:\n{tail}", within.as_secs_f64()
    )]
    NotUsable { name: String, within: Duration, reason: String, tail: Tail },
    #[error("{name} could not be wiped: {reason}; its last lines:\n{tail}")]
    NotWiped { name: String, reason: String, tail: Tail },
    #[error("the external {service} at {authority} could not be wiped: {reason}")]
    ExternalNotWiped { service: &'static str, authority: String, reason: String },
    #[error("the run was over before the server could be had")]
    CalledOff,
    #[error("{name} died while the case ran ({status}); its last lines:\n{tail}")]
    Died { name: String, status: String, tail: Tail },
}
