//! Runs a fixture crate as a user would, in surroundings of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dynamo_test::prelude::*;
use serde_json::Value;

/// Fixture crates, ready to be run: each test has its own folder for records and temporary files.
pub(crate) struct FixtureCrates {
    folder: PathBuf,
}

impl Fixture for FixtureCrates {
    type Uses = TempDir;

    async fn setup(folder: TempDir, _case: &CaseContext) -> Result<Self, FixtureError> {
        let folder = folder.path().to_owned();
        fs::create_dir(folder.join("tmp"))?;
        Ok(Self { folder })
    }
}

/// A run that ended.
pub(crate) struct Ran {
    /// The exit code, unless a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl FixtureCrates {
    /// The command that runs a fixture crate, without what the surrounding run has put into the environment. What
    /// keeps the two runs apart stays.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let selects = text.starts_with("DYNAMO_TEST_")
                && !["DYNAMO_TEST_NATS_SERVER", "DYNAMO_TEST_ETCD", "DYNAMO_TEST_CONTROLLER"]
                    .contains(&&*text);
            if selects || text.starts_with("NEXTEST") || text.starts_with("RUST_") {
                command.env_remove(&name);
            }
        }
        command
            .env("DYNAMO_TEST_DIR", self.records())
            .env("TMPDIR", self.temp())
            .env("NO_COLOR", "1");
        command
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Ran {
        Self::finish(self.command(program).args(arguments))
    }

    /// Runs a command to its end.
    pub(crate) fn finish(command: &mut Command) -> Ran {
        command.output().expect("the fixture crate starts").into()
    }

    /// A path for a file of the test's own.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.path("records")
    }

    pub(crate) fn temp(&self) -> PathBuf {
        self.path("tmp")
    }

    /// The events of the only run there was.
    pub(crate) fn events(&self) -> Vec<Value> {
        let runs: Vec<PathBuf> = entries(&self.records().join("runs"));
        assert_eq!(runs.len(), 1, "one run leaves one record: {runs:?}");
        let text = fs::read_to_string(runs[0].join("events.jsonl")).expect("a run leaves events");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }

    /// The events of runs that go on, as far as they are written.
    pub(crate) fn events_so_far(&self) -> Vec<Value> {
        let runs = entries(&self.records().join("runs"));
        let texts = runs.iter().filter_map(|run| fs::read_to_string(run.join("events.jsonl")).ok());
        let lines = |text: String| {
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect::<Vec<_>>()
        };
        texts.flat_map(lines).collect()
    }

    /// What is left in the temporary folder.
    pub(crate) fn leftovers(&self) -> Vec<PathBuf> {
        entries(&self.temp())
    }
}

impl From<Output> for Ran {
    fn from(Output { status, stdout, stderr }: Output) -> Self {
        Self {
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }
}

impl Ran {
    /// The word behind a case's name on its line.
    pub(crate) fn verdict(&self, case: &str) -> &str {
        let line = self.stdout.lines().find_map(|line| {
            let (name, verdict) = line.strip_prefix("test ")?.split_once(" ... ")?;
            (name.trim_end() == case).then_some(verdict)
        });
        line.unwrap_or_else(|| panic!("no line for {case} in:\n{}", self.stdout))
    }

    /// The names of the cases that have a line.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &str> {
        let lines = self.stdout.lines().filter_map(|line| line.strip_prefix("test "));
        lines.filter_map(|line| Some(line.split_once(" ... ")?.0.trim_end()))
    }

    /// What stands under a failed case's heading.
    pub(crate) fn failure(&self, case: &str) -> &str {
        let heading = format!("---- {case} ----\n");
        let (_, rest) = self
            .stdout
            .split_once(&heading)
            .unwrap_or_else(|| panic!("no failure of {case} in:\n{}", self.stdout));
        let end = rest.find("\n---- ").or_else(|| rest.find("\nfailures:\n")).unwrap_or(rest.len());
        &rest[..end]
    }

    /// The names of the cases that ran and passed.
    pub(crate) fn passed(&self) -> Vec<&str> {
        let mut passed: Vec<&str> = self
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "))
            .filter_map(|(name, verdict)| (verdict == "ok").then_some(name.trim_end()))
            .collect();
        passed.sort_unstable();
        passed
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}
