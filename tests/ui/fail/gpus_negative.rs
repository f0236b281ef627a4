use dynamo_test::prelude::*;

#[dynamo_test(gpus = -1)]
fn computes() {}

fn main() {}
