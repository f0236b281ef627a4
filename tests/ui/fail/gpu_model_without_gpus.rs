use dynamo_test::prelude::*;

#[dynamo_test(gpu_model = "H100")]
fn computes() {}

fn main() {}
