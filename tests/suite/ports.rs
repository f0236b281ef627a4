//! Free ports: no two cases of the machine are given the same one.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use dynamo_test::prelude::*;

use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

#[dynamo_test]
fn twenty_processes_at_once_are_given_different_ones(crates: FixtureCrates) {
    let start = || {
        let mut command = crates.command(env!("CARGO_BIN_EXE_processes"));
        command.args(["--exact", "reserves_ports::and_prints_them", "--nocapture"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let mut holders: Vec<Child> = (0..20).map(|_| start()).collect();
    let mut ports = BTreeSet::new();
    for holder in &mut holders {
        let lines = BufReader::new(holder.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
        let numbers =
            lines.filter_map(|line| line.split_once("port ")?.1.parse::<u16>().ok()).take(10);
        for port in numbers {
            assert!((15_000..32_768).contains(&port), "{port}");
            assert!(ports.insert(port), "{port} was given twice");
        }
    }
    assert_eq!(ports.len(), 200);
    for mut holder in holders {
        drop(holder.stdin.take());
        assert!(holder.wait_with_output().unwrap().status.success());
    }
}
