use dynamo_test::prelude::*;

#[dynamo_test(isolated = true)]
fn stands_alone() {}

fn main() {}
