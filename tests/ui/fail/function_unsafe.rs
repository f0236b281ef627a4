use dynamo_test::prelude::*;

#[dynamo_test]
unsafe fn adds() {}

fn main() {}
