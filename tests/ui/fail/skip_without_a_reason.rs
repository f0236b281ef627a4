use dynamo_test::prelude::*;

#[dynamo_test(skip = "")]
fn waits_for_better_times() {}

#[dynamo_test(skip)]
fn waits_as_well() {}

fn main() {}
