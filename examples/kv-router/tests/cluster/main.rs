//! The router with real NATS and etcd servers, a pair of them for each case.

mod engines;
mod fixture;
mod program;

mod binaries;
mod block_sizes;
mod gpu;
mod membership;
mod performance;
mod restarts;
mod routing;

dynamo_test::main!();
