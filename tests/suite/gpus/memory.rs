//! What cases use of their GPUs' memory, measured and held against what they declare.

use dynamo_test::prelude::*;
use nvml_stand_in::{Machine, Process};

use super::GpuMachine;

suite!(integration, premerge);

#[dynamo_test]
fn the_peak_of_each_case_is_recorded(machine: GpuMachine) {
    let ran = machine.run(&["memory"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    let gpus = |case| machine.finished(case)["gpus"].clone();
    assert_eq!(gpus("memory::uses_what_it_declares")["peak_mib"], 9_000);
    assert_eq!(gpus("memory::uses_what_it_declares")["vram_mib"], 10_240);
    assert_eq!(gpus("memory::declares_nothing")["peak_mib"], 9_000);
    assert_eq!(gpus("memory::uses_nothing")["peak_mib"], serde_json::Value::Null);
    assert_eq!(gpus("memory::uses_nothing")["devices"].as_array().map(Vec::len), Some(1));
}

#[dynamo_test]
fn the_summary_tells_who_used_more_and_proposes_what_to_declare(machine: GpuMachine) {
    let ran = machine.run(&["memory"]);
    let (_, summary) = ran.stdout.split_once("test result").unwrap();
    assert!(
        summary.contains(
            "used more GPU memory than declared (--strict fails them):
    memory::uses_more: it used 12 GiB of a GPU and declares vram = \"10 GiB\"
measured GPU memory, with a tenth to spare, suggests:
    memory::declares_nothing: vram = \"10 GiB\"
    memory::uses_more: vram = \"14 GiB\"
"
        ),
        "{summary}"
    );
}

#[dynamo_test]
fn strict_fails_a_case_that_uses_more_than_it_declares(machine: GpuMachine) {
    let ran = machine.run(&["memory", "--strict"]);
    assert_eq!(ran.code, Some(101));
    let failure = ran.failure("memory::uses_more");
    assert!(failure.starts_with("failed: --strict: it used 12 GiB of a GPU"), "{failure}");
    assert_eq!(ran.verdict("memory::uses_what_it_declares"), "ok");
}

/// One GPU of which another program uses so much.
fn with_other(memory_mib: Option<u64>) -> Machine {
    let mut machine = Machine::of(1);
    machine.devices[0].processes = vec![Process { pid: 1, memory_mib }];
    machine
}

#[dynamo_test]
fn memory_that_others_use_is_not_given_away(machine: GpuMachine) {
    machine.becomes(&with_other(Some(70_000)));
    let mut waiting = machine.command(&["--exact", "needs::small"]).spawn().unwrap();
    let free = || machine.run(&["--gpu-status"]).stdout;
    assert!(free().contains("10.7 GiB free to lease"), "{}", free());
    assert!(waiting.try_wait().unwrap().is_none(), "20 GiB are not there");
    machine.becomes(&with_other(Some(50_000)));
    assert!(waiting.wait().unwrap().success());
}

#[dynamo_test]
fn a_card_that_others_compute_on_is_not_given_away_whole(machine: GpuMachine) {
    machine.becomes(&with_other(Some(1)));
    let mut waiting = machine.command(&["--exact", "needs::an_h100"]).spawn().unwrap();
    assert_eq!(machine.run(&["--exact", "needs::small"]).code, Some(0), "there is room beside it");
    assert!(waiting.try_wait().unwrap().is_none());
    machine.becomes(&Machine::of(1));
    assert!(waiting.wait().unwrap().success());
}

#[dynamo_test]
fn what_nvml_cannot_attribute_is_not_free(machine: GpuMachine) {
    let mut unknown = with_other(None);
    unknown.devices[0].used_mib = 70_000;
    machine.becomes(&unknown);
    let mut waiting = machine.command(&["--exact", "needs::small"]).spawn().unwrap();
    assert!(machine.run(&["--gpu-status"]).stdout.contains("10.7 GiB free to lease"));
    machine.becomes(&Machine::of(1));
    assert!(waiting.wait().unwrap().success());
}
