//! `#[dynamo_test(…)]`: each key, in each form.

use dynamo_test::prelude::*;

#[dynamo_test]
fn none() {}

#[dynamo_test()]
fn none_in_parentheses() {}

#[dynamo_test(gpus = 0)]
fn no_gpus() {}

#[dynamo_test(gpus = 2, vram = "20 GiB")]
fn gpus_with_memory() {}

#[dynamo_test(gpus = 1, compute_capability = "9.0", gpu_model = "H100", h100)]
fn gpus_of_a_kind() {}

#[dynamo_test(gpus = 1, vram = "1.5GB")]
fn gpus_with_decimal_memory() {}

#[dynamo_test(gpu_1)]
fn gpus_as_a_marker() {}

#[dynamo_test(gpus_needed_2, vram = "512 MiB")]
fn gpus_as_the_other_marker() {}

#[dynamo_test(timeout = "500 ms")]
fn timeout_in_milliseconds() {}

#[dynamo_test(timeout = "1h 30min")]
fn timeout_in_parts() {}

#[dynamo_test(skip = "issue 12 is open")]
fn skipped() {}

#[dynamo_test(xfail = "issue 12 is open")]
fn expected_to_fail() {
    panic!("issue 12");
}

#[dynamo_test(xfail(reason = "issue 12 is open", strict = false))]
fn perhaps_expected_to_fail() {}

#[dynamo_test(quarantine(ticket = "DYN-12", until = "2099-12-31"))]
fn in_quarantine() {}

#[dynamo_test(isolated)]
fn isolated() {}

#[dynamo_test(catches_panics)]
fn catches_panics() {}

#[dynamo_test(serial = "device-files")]
fn serial() {}

#[dynamo_test(env(RUST_LOG = "debug", EMPTY = ""))]
fn env() {}

#[dynamo_test(flavor = "current_thread", start_paused = true)]
async fn paused() {
    tokio::task::yield_now().await;
}

#[dynamo_test(flavor = "multi_thread", worker_threads = 2)]
async fn many_threads() {
    tokio::task::yield_now().await;
}

#[dynamo_test(
    integration,
    premerge,
    router,
    gpus = 1,
    vram = "1 GiB",
    timeout = "30 s",
    env(RUST_LOG = "debug"),
    serial = "router",
    isolated,
    flavor = "multi_thread",
    worker_threads = 1
)]
async fn all_at_once(_: Nats) -> Result<(), String> {
    tokio::task::yield_now().await;
    Ok(())
}
