//! The attribute macro of `dynamo-test`. Use it through that crate, which documents it.

#![forbid(unsafe_code)]

mod errors;
mod expand;
mod function;
mod parse;
mod values;
mod vanish;

use proc_macro::TokenStream;

use crate::expand::Thread;

/// Makes a function a test case: see `dynamo_test::dynamo_test`.
#[proc_macro_attribute]
pub fn dynamo_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::dynamo_test(arguments.into(), item.into(), Thread::Any).into()
}

/// The same for a function that was written for libtest: see `dynamo_test::test`.
#[proc_macro_attribute]
pub fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::dynamo_test(arguments.into(), item.into(), Thread::Own).into()
}

/// The `main` function of a test binary: see `dynamo_test::main`.
#[proc_macro]
pub fn main(_arguments: TokenStream) -> TokenStream {
    expand::main(vanish::refuse_vanishing_tests()).into()
}
