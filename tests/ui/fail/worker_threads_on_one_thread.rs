use dynamo_test::prelude::*;

#[dynamo_test(worker_threads = 2)]
async fn computes() {}

fn main() {}
