use dynamo_test::prelude::*;

#[dynamo_test(timeout = "soon")]
fn ends() {}

fn main() {}
