//! `#[ignore]` and `#[should_panic]`, in each form.

use dynamo_test::prelude::*;

#[dynamo_test]
#[ignore = "it takes a minute"]
fn ignored() {}

#[ignore = "it takes a minute"]
#[dynamo_test]
fn ignored_above() {}

#[dynamo_test]
#[cfg_attr(unix, ignore = "it needs another system")]
fn ignored_here() {}

#[dynamo_test]
#[cfg_attr(windows, ignore = "it needs another system")]
fn ignored_elsewhere() {}

#[dynamo_test]
#[should_panic(expected = "of range")]
fn panics() {
    panic!("out of range");
}

#[dynamo_test]
#[should_panic = "of range"]
async fn panics_later() {
    tokio::task::yield_now().await;
    panic!("out of range");
}

#[dynamo_test]
#[should_panic(expected = "of range")]
#[ignore = "it takes a minute"]
fn panics_when_asked() {
    panic!("out of range");
}
