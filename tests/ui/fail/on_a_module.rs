use dynamo_test::prelude::*;

#[dynamo_test]
mod tests {}

fn main() {}
