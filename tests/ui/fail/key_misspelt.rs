use dynamo_test::prelude::*;

#[dynamo_test(timout = "30 s")]
fn ends() {}

fn main() {}
