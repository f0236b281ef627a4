use dynamo_test::prelude::*;

#[dynamo_test]
#[rstest]
fn adds() {}

fn main() {}
