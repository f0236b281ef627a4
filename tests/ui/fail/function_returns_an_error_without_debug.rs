use dynamo_test::prelude::*;

struct Failed;

#[dynamo_test]
fn adds() -> Result<(), Failed> {
    Err(Failed)
}

fn main() {}
