//! What is told while a run goes on.

mod watched;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Stdio};

use dynamo_test::prelude::*;
use nvml_stand_in::Machine;

use crate::gpus::GpuMachine;
use watched::Watched;

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

#[dynamo_test]
fn a_terminal_shows_below_what_is_printed_what_runs_and_what_waits(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let mut watched = Watched::start(machine.command(&["holding::narrow", "holding::tells"]));
    machine.wait_at("meeting");
    let who = format!("holding::one (acceptance --bin gpus, process {})", holder.id());
    watched.see(&format!("holding::narrow waits for 1 GPU; GPU 0: leased to {who} for "));
    watched.see("1 of 2 cases done in ");
    let screen = watched.screen();
    let lines: Vec<&str> = screen.lines().collect();
    let tells = "test holding::tells_without_gpus ... ok";
    assert_eq!(lines[..3], ["", "running 2 tests", tells], "{screen}");
    assert!(lines[3].ends_with("s, 0 running, 1 waiting"), "{screen}");
    machine.let_go_at("let_go");
    assert!(holder.wait().unwrap().success());
    let screen = watched.end();
    let printed: Vec<&str> = screen.lines().take(4).collect();
    let narrow = "test holding::narrow             ... ok";
    assert_eq!(printed, ["", "running 2 tests", tells, narrow], "{screen}");
    assert!(!screen.contains("waiting") && !screen.contains("cases done"), "{screen}");
}

#[dynamo_test]
fn what_goes_into_a_pipe_holds_nothing_of_what_the_terminal_shows(machine: GpuMachine) {
    let mut watched = Watched::start_with_pipe(machine.command(&["holding::one"]));
    machine.wait_at("held");
    watched.see("0 of 1 cases done");
    machine.let_go_at("let_go");
    let mut printed = String::new();
    watched.stdout().read_to_string(&mut printed).unwrap();
    assert!(printed.starts_with("\nrunning 1 test\ntest holding::one ... ok\n"), "{printed}");
    assert!(!printed.contains('\u{1b}') && !printed.contains("cases done"), "{printed}");
    assert_eq!(watched.end(), "", "the view is gone");
}

#[dynamo_test]
fn a_terminal_that_cannot_show_it_gets_lines(machine: GpuMachine) {
    let config = machine.crates.path("dynamo-test.toml");
    fs::write(&config, "[progress]\nlong = \"1 ms\"").unwrap();
    for (terminal, flag) in [("dumb", "--test-threads=1"), ("xterm", "--no-capture")] {
        let mut command = machine.command(&["holding::one", flag, "--config"]);
        command.arg(&config).env("TERM", terminal);
        let mut watched = Watched::start(command);
        machine.wait_at("held");
        watched.see("dynamo-test: holding::one has been running for 0s");
        machine.let_go_at("let_go");
        let screen = watched.end();
        assert!(screen.contains("1 passed"), "{screen}");
        assert!(!screen.contains("cases done"), "{screen}");
    }
}

#[dynamo_test]
fn what_is_printed_keeps_its_colours_on_a_terminal(machine: GpuMachine) {
    let printed = |colour: Option<&str>| {
        let mut command = machine.command(&["environment::without"]);
        command.env_remove("NO_COLOR").envs(colour.map(|value| ("NO_COLOR", value)));
        let mut watched = Watched::start(command);
        watched.see("1 passed");
        watched.bytes()
    };
    assert!(printed(None).contains("... \u{1b}[32mok\u{1b}[0m"));
    assert!(!printed(Some("1")).contains("\u{1b}[32m"));
}
