use dynamo_test::prelude::*;

#[dynamo_test(markers(integration, premerge))]
fn registers() {}

fn main() {}
