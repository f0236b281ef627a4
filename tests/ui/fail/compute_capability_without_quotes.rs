use dynamo_test::prelude::*;

#[dynamo_test(gpus = 1, compute_capability = 9.0)]
fn computes() {}

fn main() {}
