use dynamo_test::prelude::*;

const SLOW: bool = true;

#[dynamo_test(SLOW)]
fn computes() {}

fn main() {}
