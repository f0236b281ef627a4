use dynamo_test::prelude::*;

#[dynamo_test]
fn writes(folder: &TempDir) {
    let _ = folder;
}

fn main() {}
