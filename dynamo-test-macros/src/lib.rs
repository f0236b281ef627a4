//! The attribute macro of `dynamo-test`. Use it through that crate, which documents it.

#![forbid(unsafe_code)]

mod expand;
mod parse;

use proc_macro::TokenStream;

/// Makes a function a test case: see `dynamo_test::dynamo_test`.
#[proc_macro_attribute]
pub fn dynamo_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::dynamo_test(arguments.into(), item.into()).into()
}
