use dynamo_test::prelude::*;

mod markers {
    dynamo_test::marker! {
        /// Gaudi accelerators
        pub gaudi: Hardware
    }
}

#[dynamo_test(markers::gaudi)]
fn loads() {}

fn main() {}
