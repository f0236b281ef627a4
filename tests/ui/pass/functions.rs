//! What the function may look like.

use dynamo_test::prelude::*;

/// A documented case.
///
/// Over several lines.
#[dynamo_test]
fn documented() {}

#[dynamo_test]
fn r#match() {}

#[dynamo_test]
fn größe() {}

#[dynamo_test]
pub fn public() {}

#[dynamo_test]
pub(crate) async fn public_in_the_crate() {
    tokio::task::yield_now().await;
}

#[dynamo_test]
#[cfg(unix)]
fn on_unix() {}

#[cfg(windows)]
#[dynamo_test]
fn on_windows(missing: NoSuchType) {}

#[dynamo_test]
#[cfg(windows)]
fn on_windows_too(missing: NoSuchType) {}

#[dynamo_test]
#[allow(unused_variables, reason = "shows that the attribute stays on the function")]
fn with_a_lint_level() {
    let unused = 1;
}

#[dynamo_test]
fn with_items() {
    fn helper() -> u32 {
        3
    }
    assert_eq!(helper(), 3);
}

macro_rules! written_by_a_macro {
    ($visibility:vis $name:ident -> $result:ty $body:block) => {
        #[dynamo_test]
        $visibility fn $name() -> $result $body
    };
}

written_by_a_macro! { pub with_a_block_of_a_macro -> Result<(), std::num::ParseIntError> { "1".parse::<u8>().map(drop) } }
written_by_a_macro! { with_a_type_of_a_macro -> () {} }

#[dynamo_test]
fn of_the_name_of_a_marker() {
    // The markers' names are in scope in the attribute alone.
    let (router, slow) = (1, 2);
    assert!(router < slow);
}

#[dynamo_test(router)]
fn router() {}

macro_rules! cases {
    ($($name:ident: $value:expr;)+) => {$(
        #[dynamo_test(fast)]
        fn $name() -> Result<(), String> {
            if $value > 0 { Ok(()) } else { Err("too small".into()) }
        }
    )+};
}

cases! {
    one_by_a_macro: 1;
    two_by_a_macro: 2;
}

mod below {
    use dynamo_test::prelude::*;

    #[dynamo_test]
    fn documented() {}
}
