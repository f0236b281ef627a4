//! What leases need of the operating system may be used up.

use std::process::{Command, Stdio};

use dynamo_test::prelude::*;
use nvml_stand_in::Machine;

use super::GpuMachine;
use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

/// The command that a shell ends with, after it has limited itself.
fn after(limit: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{limit} && exec \"$@\""), "sh"]).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

#[dynamo_test]
fn a_run_to_which_the_kernel_tells_no_changes_gets_its_gpus_all_the_same(machine: GpuMachine) {
    let no_inotify = "echo 0 >/proc/sys/user/max_inotify_instances";
    // In a user namespace of its own, which has limits of its own.
    let limited = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "sh", "-c", command]);
        unshare
    };
    let can = limited(no_inotify).stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        dynamo_test::skip!("no user namespace can be made here");
    }
    machine.becomes(&Machine::of(1));
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let command = machine.command(&["holding::narrow", "holding::tells"]);
    let command = after(no_inotify, &command);
    let mut unshare = Command::new("unshare");
    unshare.args(["--user", "--map-root-user"]).arg(command.get_program()).args(command.get_args());
    machine.surround(&mut unshare);
    unshare.env("DYNAMO_TEST_DIR", machine.crates.records());
    let mut waiting = unshare.spawn().unwrap();
    machine.wait_at("meeting");
    machine.let_go_at("let_go");
    assert!(holder.wait().unwrap().success());
    assert!(waiting.wait().unwrap().success());
    assert_eq!(machine.log(), ["narrow"]);
}

#[dynamo_test]
fn a_lease_folder_without_room_is_an_error_that_says_so(machine: GpuMachine) {
    // No file may grow, as on a full disk. The signal that comes with it would end the process.
    let mut command =
        after("trap '' XFSZ; ulimit -f 0", &machine.command(&["--exact", "needs::small"]));
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101));
    let failure = ran.failure("needs::small");
    assert!(failure.contains("the GPU lease file"), "{failure}");
    assert!(failure.contains("GPU-0 cannot be used: File too large"), "{failure}");
}
