//! Users who share a machine, and its GPUs.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use dynamo_test::prelude::*;
use nvml_stand_in::Machine;

use super::GpuMachine;

suite!(integration, premerge);

/// A user who may do nothing in particular.
const NOBODY: u32 = 65_534;

/// Has a command run as another user, whose records are elsewhere.
fn as_nobody(machine: &GpuMachine, mut command: Command) -> Command {
    let home = machine.crates.path("home");
    fs::create_dir_all(&home).unwrap();
    let allow = |folder: &Path, mode| fs::set_permissions(folder, Permissions::from_mode(mode));
    // A test's folder is its user's alone.
    let temporary = env::temp_dir();
    for folder in home.ancestors().skip(1).take_while(|folder| *folder != temporary) {
        allow(folder, 0o711).unwrap();
    }
    for folder in [machine.crates.path(""), machine.place("")] {
        allow(&folder, 0o1777).unwrap();
    }
    allow(&home, 0o777).unwrap();
    for pipe in ["held", "let_go"] {
        allow(&machine.place(pipe), 0o666).unwrap();
    }
    command.uid(NOBODY).gid(NOBODY).env("DYNAMO_TEST_DIR", &home).env("TMPDIR", &home);
    command
}

#[dynamo_test(timeout = "60 s")]
fn a_case_of_one_user_waits_for_that_of_another(machine: GpuMachine) {
    if !rustix::process::geteuid().is_root() {
        dynamo_test::skip!("only root may be another user");
    }
    machine.becomes(&Machine::of(1));
    // Whoever comes first makes the folder and its files.
    for nobody_is_first in [true, false] {
        let mut one = machine.command(&["--exact", "holding::one"]);
        let mut other = machine.command(&["--exact", "holding::narrow"]);
        if nobody_is_first {
            one = as_nobody(&machine, one);
        } else {
            other = as_nobody(&machine, other);
        }
        let _ = fs::remove_dir_all(machine.crates.path("leases"));
        let _ = fs::remove_file(machine.place("log"));
        let mut holder = one.spawn().unwrap();
        machine.wait_at("held");
        let mut waiting = other.env("DYNAMO_TEST_GPU_RESERVE_AFTER", "0.001").spawn().unwrap();
        while !machine.run(&["--gpu-status"]).stdout.contains("kept free for a case") {}
        machine.let_go_at("let_go");
        for child in [&mut holder, &mut waiting] {
            assert!(child.wait().unwrap().success());
        }
    }
}
