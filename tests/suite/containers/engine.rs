//! The Docker engine of this machine, and the images that the tests need.

use std::process::{Command, Stdio};

use dynamo_test::prelude::*;

/// Says that there is an engine, so that a test which finds none must not be skipped.
const REQUIRED: &str = "ACCEPTANCE_ENGINE";

/// An engine that answers, with the images that `tests/images` makes.
pub(crate) struct Engine {
    /// A nats-server and an etcd, as the official images hold them.
    pub(crate) nats: String,
    pub(crate) etcd: String,
    /// A nats-server that listens where nobody looks.
    pub(crate) nats_elsewhere: String,
    /// A nats-server that prints its version and ends.
    pub(crate) nats_version: String,
}

impl Fixture for Engine {
    type Uses = ();

    async fn setup((): (), _case: &CaseContext) -> Result<Self, FixtureError> {
        let answers = Command::new("docker")
            .arg("version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !answers && std::env::var_os(REQUIRED).is_none() {
            dynamo_test::skip!("no Docker engine answers");
        }
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let made = Command::new("tests/images").current_dir(root).output()?;
        let names = String::from_utf8(made.stdout)?;
        let mut names = names.lines().map(str::to_owned);
        let mut next = || {
            let complaint = String::from_utf8_lossy(&made.stderr);
            names.next().ok_or_else(|| format!("tests/images failed:\n{complaint}"))
        };
        Ok(Self { nats: next()?, etcd: next()?, nats_elsewhere: next()?, nats_version: next()? })
    }
}

/// A container of some run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) is_running: bool,
    /// The process that owns it.
    pub(crate) owner: u32,
}

impl Engine {
    /// Kills the container that is reached at a URL.
    pub(crate) fn kill_who_serves(&self, url: &str) {
        let (_, port) = url.rsplit_once(':').expect("a URL has a port");
        let found = docker(&["container", "ls", "--quiet", "--filter", &format!("publish={port}")]);
        docker(&["kill", found.trim()]);
    }

    /// The containers of the run whose root is the process of this pid.
    pub(crate) fn containers_of(&self, run: u32) -> Vec<Container> {
        let listed = docker(&[
            "container",
            "ls",
            "--all",
            "--no-trunc",
            "--filter",
            &format!("label=dynamo-test.run.pid={run}"),
            "--format",
            "{{.ID}} {{.State}} {{.Label \"dynamo-test.owner.pid\"}}",
        ]);
        listed
            .lines()
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                let owner = words[2].parse().expect("a pid");
                Container { id: words[0].into(), is_running: words[1] == "running", owner }
            })
            .collect()
    }
}

/// What docker prints.
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker runs");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {}: {complaint}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("docker prints text")
}
