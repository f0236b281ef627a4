//! In which order cases start.

use dynamo_test::prelude::*;

use crate::gpus::GpuMachine;

suite!(integration, premerge);

#[dynamo_test]
fn the_case_that_took_longest_last_time_starts_first(machine: GpuMachine) {
    let order = || {
        let ran = machine.run(&["order::", "--test-threads", "1"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stdout);
        let lines = ran.stdout.lines().filter_map(|line| line.strip_prefix("test order::"));
        lines.map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(order(), ["a_short_one", "one_that_is_longer"]);
    assert_eq!(order(), ["one_that_is_longer", "a_short_one"]);
}
