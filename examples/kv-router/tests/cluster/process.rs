//! The crate's binary as a child process.

use std::process::{ExitStatus, Stdio};

use anyhow::{Context, bail};
use kv_router::WorkerId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running `kv-router`, killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts the binary; it finds the case's servers in the environment that
    /// it inherits.
    pub(crate) fn start(arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kv-router"))
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().context("no stdin")?;
        let stdout = child.stdout.take().context("no stdout")?;
        Ok(Self { child, stdin, stdout: BufReader::new(stdout).lines() })
    }

    /// Starts a worker, and waits until it has registered.
    pub(crate) async fn worker(
        blocks: &str,
        variables: &[(&str, &str)],
    ) -> anyhow::Result<(Self, WorkerId)> {
        let mut process = Self::start(&["worker", blocks], variables)?;
        let line = process.read().await?;
        let id = line.strip_prefix("worker ").context("no worker id")?;
        Ok((process, WorkerId::from_lease(i64::from_str_radix(id, 16)?)))
    }

    pub(crate) async fn write(&mut self, line: &str) -> anyhow::Result<()> {
        self.stdin.write_all(format!("{line}\n").as_bytes()).await?;
        Ok(())
    }

    pub(crate) async fn read(&mut self) -> anyhow::Result<String> {
        if let Some(line) = self.stdout.next_line().await? {
            return Ok(line);
        }
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors).await?;
        }
        bail!("kv-router ended ({}): {errors}", self.child.wait().await?)
    }

    /// Ends the process as a crash would: SIGKILL.
    pub(crate) async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Asks the process to end as an init system would: SIGTERM.
    pub(crate) async fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        let pid = self.child.id().context("it has ended already")?;
        let asked = Command::new("kill").arg(pid.to_string()).status().await?;
        anyhow::ensure!(asked.success(), "kill {pid}: {asked}");
        Ok(self.child.wait().await?)
    }
}
