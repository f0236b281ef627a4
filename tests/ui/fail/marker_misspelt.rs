use dynamo_test::prelude::*;

#[dynamo_test(integration, premerg)]
fn registers() {}

fn main() {}
