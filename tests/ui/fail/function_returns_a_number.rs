use dynamo_test::prelude::*;

#[dynamo_test]
fn adds() -> u32 {
    3
}

#[dynamo_test]
async fn adds_async() -> Option<()> {
    None
}

fn main() {}
