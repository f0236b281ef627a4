use dynamo_test::prelude::*;

#[dynamo_test]
#[should_panic(message = "overflow")]
fn adds() {
    panic!("overflow");
}

fn main() {}
