use dynamo_test::prelude::*;

#[dynamo_test]
extern "C" fn adds() {}

fn main() {}
