use dynamo_test::prelude::*;

#[dynamo_test]
const fn adds() {}

fn main() {}
