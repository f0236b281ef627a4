use dynamo_test::prelude::*;

#[dynamo_test]
#[ignore = ""]
fn adds() {}

#[dynamo_test]
#[ignore("later")]
fn adds_more() {}

fn main() {}
