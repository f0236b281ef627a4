use dynamo_test::prelude::*;

#[dynamo_test(env())]
fn logs() {}

fn main() {}
