use dynamo_test::prelude::*;

#[dynamo_test(quarantine(ticket = "DYN-12"))]
fn is_flaky() {}

#[dynamo_test(quarantine = "DYN-12")]
fn is_flaky_too() {}

fn main() {}
