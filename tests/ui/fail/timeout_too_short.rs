use dynamo_test::prelude::*;

#[dynamo_test(timeout = "0 s")]
fn ends() {}

#[dynamo_test(timeout = "10 us")]
fn ends_too() {}

fn main() {}
