//! Who gets which GPU when, across cases, runs and their deaths.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};

use dynamo_test::prelude::*;
use nvml_stand_in::{Failure, Machine, Process};
use rustix::fs::{CWD, FileType, Mode};
use rustix::process::{Pid, Signal, kill_process};

use super::GpuMachine;
use crate::fixture_crate::FixtureCrates;
use crate::stock_harness;

suite!(integration, premerge);

#[dynamo_test]
fn a_case_sees_its_gpus_and_no_other(machine: GpuMachine) {
    let ran = machine.run(&["environment"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(ran.passed().len(), 4);
}

#[dynamo_test]
fn a_case_that_runs_alone_sees_its_gpus_and_no_other(machine: GpuMachine) {
    for case in [
        "environment::without_gpus",
        "environment::one_gpu",
        "environment::two_gpus",
        "environment::process_was_started_with_it",
    ] {
        let ran = machine.run(&["--exact", case]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    }
}

#[dynamo_test]
fn a_case_under_the_stock_harness_sees_its_gpus(machine: GpuMachine) {
    let on_machine = |command: &mut Command| {
        machine.surround(command);
        command.env("DYNAMO_TEST_REQUIRE_GPUS", "1");
    };
    let ran = stock_harness::run(&machine.crates, on_machine, &["resources::sees_its_gpu"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(ran.passed(), ["resources::sees_its_gpu"]);
    let durations = machine.crates.records().join("durations").join("acceptance-stock.json");
    let durations = fs::read_to_string(durations).expect("later runs know how long it took");
    assert!(durations.contains("sees_its_gpu"), "{durations}");
}

#[dynamo_test]
fn cases_that_declare_their_memory_share_a_card(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let ran = machine.run(&["meeting", "--test-threads", "2"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(machine.log(), ["GPU-0", "GPU-0"]);
}

#[dynamo_test]
fn cases_that_do_not_declare_it_are_alone_on_their_cards(machine: GpuMachine) {
    let ran = machine.run(&["alone", "--test-threads", "4"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
}

#[dynamo_test]
fn a_case_that_waits_for_gpus_holds_up_no_other(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let mut other_run = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    // The case without GPUs ends the other run, for which the case with GPUs waits.
    let ran = machine.run(&["holding::narrow", "holding::lets_go", "--test-threads", "1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(other_run.wait().unwrap().success());
}

#[dynamo_test]
fn a_case_that_waits_for_gpus_holds_up_no_other_of_its_serial_group(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let mut other_run = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    // The case without GPUs ends the other run, for which the case with GPUs waits.
    let ran = machine.run(&["grouped::wants_a_gpu", "grouped::lets_go"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(other_run.wait().unwrap().success());
    assert_eq!(machine.log(), ["lets_go_without_gpus", "wants_a_gpu_too"]);
}

#[dynamo_test]
fn a_case_that_waits_for_its_serial_group_leaves_the_gpus_to_others(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let mut other_run = machine.command(&["--exact", "grouped::holds_the_group"]).spawn().unwrap();
    machine.wait_at("held");
    // The case that is in no group ends the other run, for which the other case waits.
    let ran = machine.run(&["grouped::wants_a_gpu", "grouped::is_in_no_group"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert!(other_run.wait().unwrap().success());
    assert_eq!(machine.log(), ["is_in_no_group", "wants_a_gpu_too"]);
}

#[dynamo_test]
fn a_run_whose_case_waits_for_gpus_ends_when_it_is_told_to(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let mut waiting = machine.command(&["holding::narrow", "holding::tells"]);
    let run = waiting.stdout(Stdio::piped()).spawn().unwrap();
    machine.wait_at("meeting");
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let ended = run.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let shown = String::from_utf8_lossy(&ended.stdout);
    assert!(shown.contains("... ignored (interrupted)"), "{shown}");
    machine.let_go_at("let_go");
    assert!(holder.wait().unwrap().success());
}

#[dynamo_test]
fn a_lease_does_not_outlive_a_killed_run(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    for arguments in [&["holding::one"][..], &["--exact", "holding::one"]] {
        let mut killed = machine.command(arguments).spawn().unwrap();
        machine.wait_at("held");
        assert!(machine.run(&["--gpu-status"]).stdout.contains("leased"));
        killed.kill().unwrap();
        killed.wait().unwrap();
        let ran = machine.run(&["--exact", "holding::narrow"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    }
}

#[dynamo_test]
fn the_status_tells_who_has_what(machine: GpuMachine) {
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let status = machine.run(&["--gpu-status"]);
    machine.let_go_at("let_go");
    let pid = holder.id();
    assert!(holder.wait().unwrap().success());
    assert_eq!(status.code, Some(0));
    let lines: Vec<&str> = status.stdout.lines().collect();
    assert_eq!(lines[0], "GPU 0  GPU-0  NVIDIA H100 80GB HBM3");
    assert_eq!(lines[1], "    79.6 GiB, 559 MiB in use, 0 MiB free to lease");
    let lease = format!(
        "    leased: the whole card to holding::one (acceptance --bin gpus, process {pid}) for "
    );
    assert!(lines[2].starts_with(&lease), "{}", lines[2]);
    assert_eq!(lines[3], "GPU 1  GPU-1  NVIDIA H100 80GB HBM3");
    assert_eq!(lines[4], "    79.6 GiB, 559 MiB in use, 79.1 GiB free to lease");
}

#[dynamo_test]
fn a_wide_case_that_waited_long_keeps_cards_free_from_other_runs(machine: GpuMachine) {
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let mut wide = machine
        .command(&["--exact", "holding::wide"])
        .env("DYNAMO_TEST_GPU_RESERVE_AFTER", "0.001")
        .spawn()
        .unwrap();
    let both_are_kept = || {
        let status = machine.run(&["--gpu-status"]).stdout;
        status.matches("kept free for a case that has waited long").count() == 2
    };
    while !both_are_kept() {}
    // One card is free, but not for this one.
    let mut narrow = machine.command(&["--exact", "holding::narrow"]).spawn().unwrap();
    machine.let_go_at("let_go");
    for child in [&mut holder, &mut wide, &mut narrow] {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(machine.log(), ["wide", "narrow"]);
}

#[dynamo_test]
fn a_case_that_wants_one_card_for_itself_keeps_it_free_in_the_end_too(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let mut narrow = machine
        .command(&["--exact", "holding::narrow"])
        .env("DYNAMO_TEST_GPU_RESERVE_AFTER", "0.001")
        .spawn()
        .unwrap();
    let is_kept = || machine.run(&["--gpu-status"]).stdout.contains("kept free for a case");
    while !is_kept() {}
    machine.let_go_at("let_go");
    for child in [&mut holder, &mut narrow] {
        assert!(child.wait().unwrap().success());
    }
}

#[dynamo_test]
fn a_card_that_another_program_uses_is_not_kept_free(machine: GpuMachine) {
    let mut busy = Machine::of(2);
    busy.devices[0].processes = vec![Process { pid: 1, memory_mib: Some(1_000) }];
    machine.becomes(&busy);
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let mut narrow = machine
        .command(&["--exact", "holding::narrow"])
        .env("DYNAMO_TEST_GPU_RESERVE_AFTER", "0.001")
        .spawn()
        .unwrap();
    let kept = || {
        let status = machine.run(&["--gpu-status"]).stdout;
        let (of_0, of_1) = status.split_once("GPU 1").unwrap();
        (of_0.contains("kept free"), of_1.contains("kept free"))
    };
    let kept = std::iter::repeat_with(kept).find(|kept| *kept != (false, false)).unwrap();
    assert_eq!(kept, (false, true));
    machine.let_go_at("let_go");
    for child in [&mut holder, &mut narrow] {
        assert!(child.wait().unwrap().success());
    }
}

#[dynamo_test]
fn a_small_card_is_leased_whole_whatever_its_driver_keeps_for_itself(machine: GpuMachine) {
    let mut small = Machine::of(1);
    small.devices[0].memory_mib = 4_096;
    small.devices[0].reserved_mib = 400;
    machine.becomes(&small);
    let ran = machine.run(&["--exact", "holding::narrow"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
}

#[dynamo_test]
fn a_card_that_does_not_answer_for_a_moment_is_waited_for(machine: GpuMachine) {
    machine.becomes(&Machine::of(1));
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let mut waiting = machine.command(&["holding::narrow", "holding::tells"]).spawn().unwrap();
    machine.wait_at("meeting");
    let mut silent = Machine::of(1);
    silent.devices[0].failure = Some(Failure::Unknown);
    machine.becomes(&silent);
    machine.let_go_at("let_go");
    assert!(holder.wait().unwrap().success());
    assert!(machine.run(&["--gpu-status"]).stdout.contains("cannot be used: NVML"));
    machine.becomes(&Machine::of(1));
    assert!(waiting.wait().unwrap().success());
}

#[dynamo_test]
fn a_card_that_vanishes_is_not_waited_for(machine: GpuMachine) {
    let mut holder = machine.command(&["--exact", "holding::one"]).spawn().unwrap();
    machine.wait_at("held");
    let mut waiting = machine.command(&["--exact", "holding::wide"]);
    let waiting = waiting.stdout(Stdio::piped()).spawn().unwrap();
    let mut broken = Machine::of(2);
    broken.devices[1].failure = Some(Failure::GpuLost);
    while !nvml_stand_in::was_started(machine.file()) {}
    machine.becomes(&broken);
    let output = waiting.wait_with_output().unwrap();
    machine.let_go_at("let_go");
    assert!(holder.wait().unwrap().success());
    let text = String::from_utf8_lossy(&output.stdout);
    // It may have looked for GPUs before or after the card went.
    let says_so = text.contains("no longer usable: it has fallen off the bus")
        || text.contains("cannot be used: it has fallen off the bus");
    assert!(says_so, "{text}");
}

#[dynamo_test]
fn the_lease_folder_is_for_all_users_and_its_files_for_their_owners_to_remove(machine: GpuMachine) {
    assert_eq!(machine.run(&["--exact", "needs::small"]).code, Some(0));
    let folder = machine.crates.path("leases");
    let mode = |path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
    assert_eq!(mode(folder.clone()), 0o1777);
    assert_eq!(mode(folder.join("GPU-0")), 0o666);
    assert_eq!(mode(folder.join("grants")), 0o666);
}

#[dynamo_test]
fn a_lease_folder_that_cannot_be_used_is_an_error_that_says_so(machine: GpuMachine) {
    let folder = machine.crates.path("leases");
    let failure = |folder: &std::path::Path| {
        let mut command = machine.command(&["--exact", "needs::small"]);
        let ran = FixtureCrates::finish(command.env("DYNAMO_TEST_GPU_LEASES", folder));
        assert_eq!(ran.code, Some(101));
        ran.failure("needs::small").to_owned()
    };
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    assert!(failure(&folder).contains("(mode 777): chmod 1777 it"));
    fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
    fs::create_dir(folder.join("grants")).unwrap();
    assert!(failure(&folder).contains("grants cannot be used: Is a directory"));
    assert!(failure(machine.file()).contains("which is no folder: remove it"));
    let nowhere = std::path::Path::new("/proc/none/leases");
    assert!(failure(nowhere).contains("$DYNAMO_TEST_GPU_LEASES names another folder"));
}

#[dynamo_test]
fn nothing_is_written_through_what_another_user_left_in_the_lease_folder(machine: GpuMachine) {
    let folder = machine.crates.path("leases");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
    let victim = machine.crates.path("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, folder.join("GPU-0")).unwrap();
    let failure = || {
        let ran = machine.run(&["--exact", "needs::small"]);
        assert_eq!(ran.code, Some(101));
        ran.failure("needs::small").to_owned()
    };
    assert!(failure().contains("GPU-0 cannot be used: it is a symbolic link: remove it"));
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    fs::remove_file(folder.join("GPU-0")).unwrap();
    let read_write = Mode::RUSR | Mode::WUSR;
    rustix::fs::mknodat(CWD, folder.join("GPU-0"), FileType::Fifo, read_write, 0).unwrap();
    assert!(failure().contains("GPU-0 cannot be used: it is no regular file"));
}
