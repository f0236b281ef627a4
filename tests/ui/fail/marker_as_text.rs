use dynamo_test::prelude::*;

#[dynamo_test("premerge")]
fn loads() {}

fn main() {}
