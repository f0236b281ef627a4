use dynamo_test::prelude::*;

#[dynamo_test(router, slow, router)]
fn routes() {}

fn main() {}
