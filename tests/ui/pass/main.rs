//! Everything that the macros accept, under the lints that a strict project turns on: what a macro writes must not
//! draw a warning in its user's crate. CI denies them all.

#![forbid(unsafe_code)]
#![warn(
    clippy::pedantic,
    let_underscore_drop,
    missing_debug_implementations,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unused_import_braces,
    unused_lifetimes,
    unused_results
)]

mod arguments;
mod fixtures;
mod functions;
mod markers;
mod returns;
mod standard_attributes;
mod suites;

dynamo_test::main!();
