//! What there is of GPUs, what of it is ours, and what a skipped case says.

use dynamo_test::prelude::*;
use nvml_stand_in::{Device, Failure, Machine, was_started};

use super::GpuMachine;
use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

/// Why a case is not run on the machine as it is.
fn reason(machine: &GpuMachine, case: &str, variables: &[(&str, &str)]) -> String {
    let mut command = machine.command(&["--exact", case, "--explain"]);
    command.envs(variables.iter().copied());
    let ran = FixtureCrates::finish(&mut command);
    let explained = ran.stdout.lines().find_map(|line| {
        let (_decision, rest) = line.split_once(' ')?;
        rest.trim_start().strip_prefix(case)
    });
    let explained =
        explained.unwrap_or_else(|| panic!("no word on {case}: {}{}", ran.stdout, ran.stderr));
    explained.trim_start_matches(": ").to_owned()
}

fn mixed() -> Machine {
    let l40s = |uuid: &str| Device {
        uuid: uuid.into(),
        name: "NVIDIA L40S".into(),
        memory_mib: 46_068,
        compute_capability: (8, 9),
        ..Device::default()
    };
    let mut machine = Machine::of(2);
    machine.devices.extend([l40s("GPU-2"), l40s("GPU-3")]);
    machine
}

#[dynamo_test]
fn a_driver_that_is_not_there_or_does_not_answer_is_the_reason(machine: GpuMachine) {
    let none = [("DYNAMO_TEST_NVML_LIBRARY", "libnone.so")];
    assert_eq!(
        reason(&machine, "needs::small", &none),
        "needs 1 GPU (20 GiB), none is known: no NVIDIA driver is installed (libnone.so not found)"
    );
    for (failure, said) in [
        (Failure::DriverNotLoaded, "the NVIDIA driver is not loaded"),
        (Failure::NoPermission, "this user may not talk to the NVIDIA driver"),
        (Failure::Unknown, "NVML: "),
    ] {
        machine.becomes(&Machine { failure: Some(failure), ..Machine::of(2) });
        let reason = reason(&machine, "needs::small", &[]);
        assert!(reason.contains(said), "{reason}");
    }
}

#[dynamo_test]
fn a_reason_says_what_is_needed_and_what_is_there(machine: GpuMachine) {
    let reason = |case| reason(&machine, case, &[]);
    assert_eq!(reason("needs::three_gpus"), "needs 3 GPUs, this machine has 2");
    assert_eq!(reason("needs::an_h100"), "");
    assert_eq!(
        reason("needs::an_l40s"),
        "needs 1 GPU (l40s), this machine has 2, of which none will do"
    );
    machine.becomes(&mixed());
    assert_eq!(reason("needs::three_gpus"), "");
    assert_eq!(reason("needs::an_l40s"), "");
    machine.becomes(&Machine { devices: mixed().devices.split_off(1), failure: None });
    assert_eq!(
        reason("needs::two_large"),
        "needs 2 GPUs (60 GiB each), this machine has 3, of which 1 will do"
    );
    machine.becomes(&Machine { devices: mixed().devices.split_off(2), failure: None });
    assert_eq!(
        reason("needs::hopper"),
        "needs 1 GPU (compute capability 9.0 or more), this machine has 2, of which none will do"
    );
    machine.becomes(&Machine::default());
    assert_eq!(reason("needs::small"), "needs 1 GPU (20 GiB), this machine has 0");
}

#[dynamo_test]
fn a_card_that_cannot_be_used_is_named_with_its_reason(machine: GpuMachine) {
    let mut with_mig = Machine::of(2);
    with_mig.devices[1].mig = true;
    machine.becomes(&with_mig);
    assert_eq!(
        reason(&machine, "needs::two_large", &[]),
        "needs 2 GPUs (60 GiB each), this machine has 1; GPU 1 cannot be used: it is in MIG mode, and whole GPUs are leased"
    );
    let visible = [("CUDA_VISIBLE_DEVICES", "GPU-1,GPU-0")];
    assert_eq!(
        reason(&machine, "needs::small", &visible),
        "",
        "it does not hide what is behind it"
    );
    for (failure, said) in [
        (Failure::GpuLost, "it has fallen off the bus"),
        (Failure::NoPermission, "this user may not use it"),
        (Failure::Unknown, "NVML: "),
    ] {
        let mut broken = Machine::of(2);
        broken.devices[0].failure = Some(failure);
        machine.becomes(&broken);
        let reason = reason(&machine, "needs::two_large", &[]);
        assert!(reason.contains(&format!("; GPU 0 cannot be used: {said}")), "{reason}");
    }
}

#[dynamo_test]
fn what_the_surroundings_leave_is_what_there_is(machine: GpuMachine) {
    machine.becomes(&Machine::of(4));
    let with = |value| reason(&machine, "needs::three_gpus", &[("CUDA_VISIBLE_DEVICES", value)]);
    assert_eq!(with("1,2,3"), "");
    assert_eq!(with("GPU-0,GPU-1,GPU-3"), "");
    assert_eq!(with("0,3"), "needs 3 GPUs, this machine has 2; CUDA_VISIBLE_DEVICES is \"0,3\"");
    assert!(with("").ends_with("has 0; CUDA_VISIBLE_DEVICES is \"\""), "{}", with(""));
    assert!(with("MIG-7").contains("a MIG device: whole GPUs are leased"));
    let in_slurm = [("SLURM_JOB_ID", "7")];
    let reason = reason(&machine, "needs::small", &in_slurm);
    assert!(reason.contains("has 0; this Slurm job was given none"), "{reason}");
}

#[dynamo_test]
fn only_what_is_visible_is_leased(machine: GpuMachine) {
    let mut command = machine.command(&["--exact", "holding::one"]);
    let mut child = command.env("CUDA_VISIBLE_DEVICES", "1").spawn().unwrap();
    machine.wait_at("held");
    let status = machine.run(&["--gpu-status"]).stdout;
    machine.let_go_at("let_go");
    assert!(child.wait().unwrap().success());
    let (of_0, of_1) = status.split_once("GPU 1").unwrap();
    assert!(!of_0.contains("leased") && of_1.contains("leased"), "{status}");
}

#[dynamo_test]
fn skips_for_want_of_gpus_can_be_failures(machine: GpuMachine) {
    let run = |flag| machine.run(&[flag, "needs::three_gpus"]);
    for flag in ["--strict", "--require-gpus"] {
        let ran = run(flag);
        assert_eq!(ran.code, Some(101));
        let failure = ran.failure("needs::three_gpus");
        assert!(failure.starts_with(&format!("{flag}: needs 3 GPUs")), "{failure}");
    }
    assert_eq!(run("--quiet").code, Some(0));
}

#[dynamo_test]
fn nvml_is_not_started_for_cases_without_gpus(machine: GpuMachine) {
    assert!(machine.run(&["--list"]).stdout.contains("needs::three_gpus: test"));
    assert_eq!(machine.run(&["-m", "gpus_needed_0", "environment"]).code, Some(0));
    assert!(!was_started(machine.file()));
    machine.run(&["needs::small"]);
    assert!(was_started(machine.file()));
}

#[dynamo_test]
fn a_selection_can_be_narrowed_to_what_a_machine_offers(machine: GpuMachine) {
    let selected = |arguments: &[&str]| -> Vec<String> {
        let mut all = vec!["needs", "--list"];
        all.extend(arguments);
        let listed = machine.run(&all).stdout;
        listed.lines().filter_map(|line| line.strip_suffix(": test")).map(Into::into).collect()
    };
    assert_eq!(selected(&["--gpus", "0"]), [""; 0]);
    assert_eq!(selected(&["--gpus", "2"]).len(), 5);
    assert_eq!(selected(&["--max-vram", "24 GiB"]), ["needs::small"]);
    assert_eq!(selected(&["--max-vram", "60 GiB"]), ["needs::small", "needs::two_large"]);
    assert_eq!(machine.run(&["--max-vram", "24"]).code, Some(2), "an amount has its unit");
    let mut command = machine.command(&["needs", "--explain"]);
    command.env("DYNAMO_TEST_MAX_VRAM", "24 GiB").env("DYNAMO_TEST_GPUS", "2");
    let explained = FixtureCrates::finish(&mut command).stdout;
    for line in [
        "needs::three_gpus: --gpus 2: it needs 3",
        "needs::hopper: --max-vram 24 GiB: it does not declare its `vram`",
        "needs::two_large: --max-vram 24 GiB: it declares 60 GiB",
    ] {
        assert!(explained.contains(line), "{explained}");
    }
}
