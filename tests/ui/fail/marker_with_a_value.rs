use dynamo_test::prelude::*;

#[dynamo_test(slow = true)]
fn loads() {}

fn main() {}
