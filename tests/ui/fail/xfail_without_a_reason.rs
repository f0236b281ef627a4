use dynamo_test::prelude::*;

#[dynamo_test(xfail)]
fn fails() {}

#[dynamo_test(xfail(strict = false))]
fn fails_too() {}

fn main() {}
