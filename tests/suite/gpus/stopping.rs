//! A run that is told to stop ends, whatever its cases wait for.

use std::fs::File;
use std::process::Child;

use dynamo_test::prelude::*;
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process};

use super::GpuMachine;

suite!(integration, premerge);

fn interrupt(child: &mut Child) -> Option<i32> {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
    child.wait().unwrap().code()
}

#[dynamo_test(timeout = "60 s")]
fn a_run_that_keeps_a_slot_for_a_case_with_gpus_ends(machine: GpuMachine) {
    let cases = ["holding::one", "holding::later", "environment::without_gpus"];
    let mut run = machine.command(&cases).args(["--test-threads", "1"]).spawn().unwrap();
    machine.wait_at("held");
    assert_eq!(interrupt(&mut run), Some(130));
}

#[dynamo_test(timeout = "60 s")]
fn who_stands_still_while_granting_stops_no_case_without_gpus_and_no_interruption(
    machine: GpuMachine,
) {
    assert_eq!(machine.run(&["--exact", "needs::small"]).code, Some(0));
    let grants = File::open(machine.crates.path("leases").join("grants")).unwrap();
    flock(&grants, FlockOperation::LockExclusive).unwrap();
    let mut run = machine.command(&["holding::narrow", "holding::tells"]).spawn().unwrap();
    machine.wait_at("meeting");
    assert_eq!(interrupt(&mut run), Some(130));
    assert!(machine.log().is_empty());
}
