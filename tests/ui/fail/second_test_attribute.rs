use dynamo_test::prelude::*;

#[dynamo_test]
#[test]
fn runs_twice() {}

#[dynamo_test]
#[tokio::test]
async fn runs_twice_async() {}

fn main() {}
