use dynamo_test::prelude::*;

#[dynamo_test]
fn writes(folder: impl Fixture) {
    let _ = folder;
}

fn main() {}
