//! What dynamo-test promises its users, tried on fixture crates with real processes and servers.

mod fixture_crate;

mod cleanup;
mod command_line;
mod configuration;
mod containers;
mod contract;
mod faults;
mod gpus;
mod handing_out;
mod hugging_face;
mod in_process;
mod macro_errors;
mod nextest;
mod order;
mod outcomes;
mod policy;
mod ports;
mod processes;
mod progress;
mod record;
mod repetition;
mod services;
mod signals;
mod snapshots;
mod standards;
mod stock_harness;
mod stopping;
mod threads;

dynamo_test::main!();
