use dynamo_test::prelude::*;

#[dynamo_test(gpus = 1, vram = "20")]
fn computes() {}

fn main() {}
