//! What is told while a run goes on.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use dynamo_test::prelude::*;
use nvml_stand_in::Machine;

use crate::gpus::GpuMachine;

suite!(integration, premerge);

/// A run of which what takes more than no time is told.
struct Told {
    run: Child,
    lines: BufReader<ChildStderr>,
}

impl Told {
    fn start(machine: &GpuMachine, command: &mut Command) -> Self {
        let config = machine.crates.path("dynamo-test.toml");
        fs::write(&config, "[progress]\nlong = \"1 ms\"").unwrap();
        command.arg("--config").arg(config).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = command.spawn().unwrap();
        let lines = BufReader::new(run.stderr.take().unwrap());
        Self { run, lines }
    }

    /// Reads on to the first line that holds this.
    fn line_with(&mut self, text: &str) -> String {
        let lines = self.lines.by_ref().lines().map(Result::unwrap);
        let mut before = Vec::new();
        for line in lines {
            if line.contains(text) {
                return line;
            }
            before.push(line);
        }
        panic!("no line with {text:?} in {before:#?}")
    }

    /// What stood on the standard output of a run that went well.
    fn end(self) -> String {
        // A run that finds its pipe full would wait for its reader.
        let reader = std::thread::spawn(|| self.lines.lines().count());
        let output = self.run.wait_with_output().unwrap();
        reader.join().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }
}

#[dynamo_test]
fn a_case_that_takes_long_is_told_again_and_again_on_stderr_alone(machine: GpuMachine) {
    let mut told = Told::start(&machine, &mut machine.command(&["holding::one"]));
    machine.wait_at("held");
    for _ in 0..3 {
        let line = told.line_with("holding::one has been running");
        assert_eq!(line, "dynamo-test: holding::one has been running for 0s");
    }
    machine.let_go_at("let_go");
    assert!(!told.end().contains("has been running"));
}

#[dynamo_test]
fn who_has_the_gpus_is_told_of_a_case_that_waits_for_them(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let mut told =
        Told::start(&machine, &mut machine.command(&["holding::wide", "holding::narrow"]));
    let line = told.line_with("GPU 0: leased");
    let who = format!("holding::one (acceptance --bin gpus, process {})", holder.id());
    assert!(line.starts_with("dynamo-test: holding::narrow has waited "), "{line}");
    assert!(line.contains(&format!("for 1 GPU; GPU 0: leased to {who} for ")), "{line}");
    machine.let_go_at("let_go");
    assert!(!told.end().contains("has waited"));
    assert!(holder.wait().unwrap().success());
}

#[dynamo_test]
fn who_has_the_turn_is_told_of_a_case_that_waits_for_its_serial_group(machine: GpuMachine) {
    let mut holder = machine.command(&["--exact", "grouped::holds_the_group"]).spawn().unwrap();
    machine.wait_at("held");
    let who = format!("grouped::holds_the_group (acceptance --bin gpus, process {})", holder.id());
    // Alone or beside others, with GPUs or without.
    for cases in [
        &["--exact", "grouped::wants_a_gpu_too"][..],
        &["grouped::wants_a_gpu_too", "environment::without"],
        &["--exact", "grouped::ends_at_once"],
    ] {
        let mut told = Told::start(&machine, &mut machine.command(cases));
        let line = told.line_with("serial group \"cards\"; taken by");
        assert!(line.contains(&who), "{line}");
        told.run.kill().unwrap();
        told.run.wait().unwrap();
    }
    machine.let_go_at("let_go");
    assert!(holder.wait().unwrap().success());
}
