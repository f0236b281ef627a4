//! Where the servers of a run come from, and what is seen of them there.

use std::fs;
use std::process::Command;

use crate::containers::{Container, Engine};
use crate::fixture_crate::FixtureCrates;

/// A back end.
pub(crate) enum Backend<'a> {
    Process,
    Docker(&'a Engine),
    /// Servers that run already, and that may be wiped.
    External {
        nats: String,
        etcd: String,
    },
}

impl Backend<'_> {
    /// These servers.
    pub(crate) fn external(nats: &str, etcd: &[String]) -> Self {
        Self::External { nats: nats.into(), etcd: etcd.join(",") }
    }

    /// The command that runs cases of the fixture crate with servers from here.
    pub(crate) fn command(&self, crates: &FixtureCrates, cases: &[&str]) -> Command {
        let mut command = crates.command(env!("CARGO_BIN_EXE_services"));
        self.provide(crates, &mut command);
        command.args(cases);
        command
    }

    /// Has all that a command starts come to its servers here.
    pub(super) fn provide(&self, crates: &FixtureCrates, command: &mut Command) {
        let name = match self {
            Self::Process => "process",
            Self::Docker(engine) => {
                command
                    .env("DYNAMO_TEST_NATS_IMAGE", &engine.nats)
                    .env("DYNAMO_TEST_ETCD_IMAGE", &engine.etcd);
                "docker"
            }
            Self::External { nats, etcd } => {
                let path = crates.path("dynamo-test.toml");
                let sections = ["nats", "etcd"]
                    .map(|service| format!("[services.{service}]\nexternal = {{ wipe = true }}\n"));
                fs::write(&path, sections.concat()).unwrap();
                command
                    .env("DYNAMO_TEST_CONFIG", path)
                    .env("DYNAMO_TEST_NATS_URL", nats)
                    .env("DYNAMO_TEST_ETCD_ENDPOINTS", etcd);
                "external"
            }
        };
        command.env("DYNAMO_TEST_SERVICES", name);
    }

    /// The containers of the run whose root is the process of this pid.
    pub(super) fn containers_of(&self, root: u32) -> Vec<Container> {
        match self {
            Self::Docker(engine) => engine.containers_of(root),
            Self::Process | Self::External { .. } => Vec::new(),
        }
    }
}
