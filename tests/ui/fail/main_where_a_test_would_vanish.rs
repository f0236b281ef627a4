use dynamo_test::prelude::*;

dynamo_test::main!();

#[dynamo_test]
fn stays() {}

#[test]
fn would_vanish() {}
