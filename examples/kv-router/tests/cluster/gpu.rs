//! What needs a GPU; skipped, with the reason, where there is none.

use anyhow::Context;
use dynamo_test::prelude::*;
use tokio::process::Command;

use crate::fixture::Cluster;
use crate::program::Program;

/// A block of 16 tokens of Llama 3 8B: keys and values of 32 layers, with 8
/// heads of 128 numbers of 16 bits.
const BLOCK_MIB: usize = 2;

#[dynamo_test(e2e, nightly, router, vllm, gpus = 1)]
async fn a_worker_offers_the_blocks_that_fit_its_gpu(
    program: Program,
    cluster: Cluster,
) -> anyhow::Result<()> {
    let query = ["--query-gpu=memory.total", "--format=csv,noheader,nounits"];
    let output = Command::new("nvidia-smi").args(query).output().await?;
    let gpus = String::from_utf8(output.stdout)?;
    let mib: usize = gpus.lines().next().context("no GPU")?.trim().parse()?;
    let blocks = mib / BLOCK_MIB;

    let (_, id) = program.worker(&blocks.to_string(), &[]).await?;
    cluster.sees(|table| table.contains(id)).await?;
    let load = cluster.router.table().borrow().load();
    assert_eq!(load.context("no worker")?.capacity.get(), blocks);
    Ok(())
}
