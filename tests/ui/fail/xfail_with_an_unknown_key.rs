use dynamo_test::prelude::*;

#[dynamo_test(xfail(reason = "issue 12 is open", strikt = false))]
fn fails() {}

fn main() {}
