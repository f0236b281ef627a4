use dynamo_test::prelude::*;

#[dynamo_test(gpu_1, gpus = 1)]
fn computes() {}

fn main() {}
