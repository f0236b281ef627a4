use dynamo_test::prelude::*;

#[dynamo_test(flavor = "multithread")]
async fn computes() {}

fn main() {}
