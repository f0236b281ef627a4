use dynamo_test::prelude::*;

#[dynamo_test(env(RUST_LOG = "debug", TZ = "UTC", RUST_LOG = "info"))]
fn logs() {}

fn main() {}
