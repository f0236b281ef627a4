use dynamo_test::prelude::*;

#[dynamo_test(timeout = "30 s", slow, timeout = "1 min")]
fn ends() {}

fn main() {}
