use dynamo_test::prelude::*;

#[dynamo_test(retries = 3)]
fn ends() {}

fn main() {}
