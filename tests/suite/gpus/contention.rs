//! Many processes that want GPUs at once, as under nextest, some of which are killed.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Write;
use std::process::{Child, Stdio};

use dynamo_test::prelude::*;
use nvml_stand_in::Machine;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::GpuMachine;

suite!(integration, postmerge);

const CASES: [&str; 6] = [
    "crowd::one",
    "crowd::three",
    "crowd::eight",
    "crowd::part_of_one",
    "crowd::half_of_two",
    "crowd::part_of_five",
];
const MEMORY_MIB: u64 = 81_559;
const RESIDENTS: usize = 2;

/// What a run holds, by GPU, in MiB.
type Held = HashMap<String, u64>;

/// Follows the log: a lease is longer than what is between its two lines, so what overlaps there has overlapped.
fn check(log: &[String]) -> Result<usize, TestCaseError> {
    let mut holders: HashMap<&str, Held> = HashMap::new();
    let mut killed: HashSet<&str> = HashSet::new();
    let mut taken = 0;
    for line in log {
        let mut words = line.split(' ');
        match (words.next(), words.next()) {
            // It was about to be killed.
            (Some("taken"), Some(holder)) if killed.contains(holder) => {}
            (Some("taken"), Some(holder)) => {
                let held = words.filter_map(|word| {
                    let (uuid, memory) = word.split_once('=')?;
                    Some((uuid.to_owned(), memory.parse().ok()?))
                });
                holders.insert(holder, held.collect());
                taken += 1;
                for uuid in (0..8).map(|index| format!("GPU-{index}")) {
                    let on_it: Vec<u64> =
                        holders.values().filter_map(|held| held.get(&uuid)).copied().collect();
                    prop_assert!(on_it.len() <= RESIDENTS, "{line}: {on_it:?} on {uuid}");
                    prop_assert!(on_it.iter().sum::<u64>() <= MEMORY_MIB, "{line}: {on_it:?}");
                }
            }
            (Some("given"), Some(holder)) => {
                holders.remove(holder);
            }
            (Some("killed"), Some(holder)) => {
                holders.remove(holder);
                killed.insert(holder);
            }
            _ => prop_assert!(false, "a torn line: {line}"),
        }
    }
    prop_assert!(holders.is_empty(), "who has taken has given, or was killed");
    Ok(taken)
}

fn start(machine: &GpuMachine, case: &str, holder: usize) -> Child {
    let mut command = machine.command(&["--exact", case]);
    command
        .env("HOLDER", holder.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[dynamo_test]
fn no_card_is_ever_overcommitted_and_nobody_waits_forever(machine: GpuMachine, info: TestInfo) {
    machine.becomes(&Machine::of(8));
    let config = Config {
        cases: 5,
        rng_seed: RngSeed::Fixed(info.seed()),
        // The same case may go well the next time: it is no use to keep it.
        failure_persistence: None,
        ..Config::default()
    };
    let wanted = prop::collection::vec((0..CASES.len(), prop::bool::weighted(0.2)), 50);
    proptest!(config, |(wanted in wanted)| {
        let mut log =
            File::options().append(true).create(true).open(machine.place("log")).unwrap();
        log.set_len(0).unwrap();
        let mut children: Vec<(Child, bool)> = wanted
            .iter()
            .enumerate()
            .map(|(holder, (case, is_killed))| (start(&machine, CASES[*case], holder), *is_killed))
            .collect();
        // By now some have finished, some hold a lease, and some wait for one.
        let killed = children.iter_mut().enumerate().filter(|(_, (_, is_killed))| *is_killed);
        for (holder, (child, _)) in killed {
            // Before it is: from here on its lease may go to others.
            log.write_all(format!("killed {holder}\n").as_bytes()).unwrap();
            child.kill().unwrap();
        }
        for (child, is_killed) in &mut children {
            let status = child.wait().unwrap();
            prop_assert!(*is_killed || status.success());
        }
        let spared = wanted.iter().filter(|(_, is_killed)| !is_killed).count();
        prop_assert!(check(&machine.log())? >= spared);
    });
}
