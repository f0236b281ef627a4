use dynamo_test::prelude::*;

#[dynamo_test(vram = "20 GiB")]
fn computes() {}

fn main() {}
