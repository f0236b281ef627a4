use dynamo_test::prelude::*;

#[dynamo_test(env = "RUST_LOG=debug")]
fn logs() {}

fn main() {}
