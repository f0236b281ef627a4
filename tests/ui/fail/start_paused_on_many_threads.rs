use dynamo_test::prelude::*;

#[dynamo_test(flavor = "multi_thread", start_paused = true)]
async fn waits() {}

fn main() {}
