use dynamo_test::prelude::*;

mod markers {
    dynamo_test::marker! {
        /// Checks that the thing turns on
        pub smoke: Type

        /// Runs at full moon
        pub monthly: Lifecycle
    }
}

use markers::smoke;

#[dynamo_test(smoke)]
fn turns_on() {}

fn main() {}
