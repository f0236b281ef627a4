//! The crate's binary, as users run it.

use anyhow::Context;
use dynamo_test::Process;
use dynamo_test::prelude::*;
use kv_router::WorkerId;

/// Starts the binary; its processes find the case's servers in the environment that they inherit, and end with the case.
pub(crate) struct Program {
    processes: Processes,
}

impl Fixture for Program {
    type Uses = Processes;

    async fn setup(processes: Processes, _case: &CaseContext) -> Result<Self, FixtureError> {
        Ok(Self { processes })
    }
}

impl Program {
    /// Starts a worker, and waits until it has registered.
    pub(crate) async fn worker(
        &self,
        blocks: &str,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<(Process, WorkerId)> {
        let worker = self.processes.command(env!("CARGO_BIN_EXE_kv-router")).name("worker");
        let worker = worker.args(["worker", blocks]).envs(variables.iter().copied());
        let worker = worker.start().await?;
        let line = worker.wait_for_line(|line: &str| line.starts_with("worker ")).await?;
        let id = line.strip_prefix("worker ").context("no worker id")?;
        Ok((worker, WorkerId::from_lease(i64::from_str_radix(id, 16)?)))
    }

    /// Starts a router, which takes prompts from its input.
    pub(crate) async fn router(&self) -> anyhow::Result<Process> {
        let router = self.processes.command(env!("CARGO_BIN_EXE_kv-router")).name("router");
        Ok(router.arg("router").input().start().await?)
    }
}
