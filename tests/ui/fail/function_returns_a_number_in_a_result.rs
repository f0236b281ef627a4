use dynamo_test::prelude::*;

#[dynamo_test]
fn adds(info: TestInfo) -> Result<u32, String> {
    let _ = info;
    Ok(3)
}

fn main() {}
