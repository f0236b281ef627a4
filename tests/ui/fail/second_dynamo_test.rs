use dynamo_test::prelude::*;

#[dynamo_test(integration)]
#[dynamo_test(premerge)]
fn registers() {}

fn main() {}
