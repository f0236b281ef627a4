use dynamo_test::prelude::*;

#[dynamo_test(quarantine(ticket = "DYN-12", until = "next week"))]
fn is_flaky() {}

fn main() {}
