use dynamo_test::prelude::*;

#[dynamo_test(start_paused)]
async fn waits() {}

fn main() {}
