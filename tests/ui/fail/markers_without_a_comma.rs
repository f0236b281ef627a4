use dynamo_test::prelude::*;

#[dynamo_test(integration premerge)]
fn registers() {}

fn main() {}
