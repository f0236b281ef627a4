use dynamo_test::prelude::*;

#[dynamo_test(flavor = "multi_thread", worker_threads = 0)]
async fn computes() {}

fn main() {}
