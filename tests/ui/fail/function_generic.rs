use dynamo_test::prelude::*;

#[dynamo_test]
fn adds<T: Default>() {
    let _ = T::default();
}

#[dynamo_test]
fn borrows<'a>() {}

fn main() {}
