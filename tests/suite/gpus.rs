//! GPUs, as a stand-in for NVML describes them: found, skipped for want of, leased, shared, measured.

mod contention;
mod detection;
mod leases;
mod memory;
mod scarcity;
mod stopping;
mod users;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use dynamo_test::prelude::*;
use nvml_stand_in::{MACHINE, Machine};
use rustix::fs::{CWD, FileType, Mode};

use crate::fixture_crate::{FixtureCrates, Ran};

const GPUS: &str = env!("CARGO_BIN_EXE_gpus");

/// A machine with GPUs of the test's choice.
pub(crate) struct GpuMachine {
    pub(crate) crates: FixtureCrates,
    file: PathBuf,
}

impl Fixture for GpuMachine {
    type Uses = FixtureCrates;

    async fn setup(crates: FixtureCrates, _case: &CaseContext) -> Result<Self, FixtureError> {
        let file = crates.path("machine.json");
        fs::create_dir(crates.path("places"))?;
        let machine = Self { crates, file };
        for pipe in ["meeting", "held", "let_go"] {
            let read_write = Mode::RUSR | Mode::WUSR;
            rustix::fs::mknodat(CWD, machine.place(pipe), FileType::Fifo, read_write, 0)?;
        }
        machine.becomes(&Machine::of(2));
        Ok(machine)
    }
}

impl GpuMachine {
    /// Changes what NVML tells from now on.
    pub(crate) fn becomes(&self, machine: &Machine) {
        machine.write(&self.file).expect("the machine can be described");
    }

    /// The command that runs the fixture crate on this machine.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.crates.command(GPUS);
        self.surround(&mut command);
        command.args(arguments);
        command
    }

    /// Has a command run on this machine.
    pub(crate) fn surround(&self, command: &mut Command) {
        command
            .env("DYNAMO_TEST_NVML_LIBRARY", library())
            .env("DYNAMO_TEST_GPU_LEASES", self.crates.path("leases"))
            .env(MACHINE, &self.file)
            .env("PLACES", self.crates.path("places"))
            .env_remove("CUDA_VISIBLE_DEVICES")
            .env_remove("CUDA_DEVICE_ORDER")
            .env_remove("SLURM_JOB_ID");
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        FixtureCrates::finish(&mut self.command(arguments))
    }

    /// A file that the cases know by its name.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.crates.path("places").join(name)
    }

    /// Waits until a case opens the other end of a pipe to write.
    pub(crate) fn wait_at(&self, pipe: &str) {
        fs::read(self.place(pipe)).expect("the pipe is there");
    }

    /// Lets a case go that reads from a pipe.
    pub(crate) fn let_go_at(&self, pipe: &str) {
        fs::write(self.place(pipe), "").expect("the pipe is there");
    }

    /// What the cases have logged.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.place("log")).unwrap_or_default();
        text.lines().map(Into::into).collect()
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// How the only run there was reported a case.
    pub(crate) fn finished(&self, case: &str) -> serde_json::Value {
        let mut events = self.crates.events().into_iter();
        let is_it =
            |event: &serde_json::Value| event["event"] == "finished" && event["case"] == case;
        events.find(is_it).unwrap_or_else(|| panic!("{case} has finished"))
    }
}

/// The stand-in, which cargo builds beside what depends on it.
fn library() -> PathBuf {
    let built = Path::new(GPUS).parent().expect("a program is in a folder");
    built.join("deps").join("libnvml_stand_in.so")
}
