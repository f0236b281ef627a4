use dynamo_test::prelude::*;

dynamo_test::marker! {
    pub gaudi: Hardware
}

#[dynamo_test(gaudi)]
fn loads() {}

fn main() {}
