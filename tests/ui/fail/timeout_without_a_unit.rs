use dynamo_test::prelude::*;

#[dynamo_test(timeout = 30)]
fn ends() {}

#[dynamo_test(timeout = "30")]
fn ends_too() {}

fn main() {}
