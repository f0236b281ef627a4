use dynamo_test::prelude::*;

#[dynamo_test]
fn adds(#[case] one: TestInfo) {
    let _ = one;
}

fn main() {}
