use dynamo_test::prelude::*;

#[dynamo_test(env(RUST_LOG = 1))]
fn logs() {}

#[dynamo_test(env(RUST_LOG))]
fn logs_too() {}

#[dynamo_test(env("RUST_LOG" = "debug"))]
fn logs_as_well() {}

fn main() {}
