use dynamo_test::prelude::*;

#[dynamo_test]
struct Router;

fn main() {}
