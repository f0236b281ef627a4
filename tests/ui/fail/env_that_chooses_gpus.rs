use dynamo_test::prelude::*;

#[dynamo_test(gpus = 1, env(CUDA_VISIBLE_DEVICES = "0"))]
fn computes() {}

fn main() {}
