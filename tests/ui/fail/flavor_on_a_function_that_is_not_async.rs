use dynamo_test::prelude::*;

#[dynamo_test(flavor = "multi_thread", worker_threads = 2)]
fn computes() {}

fn main() {}
