use dynamo_test::prelude::*;

#[dynamo_test(integration, premerge, timeout)]
fn ends() {}

fn main() {}
