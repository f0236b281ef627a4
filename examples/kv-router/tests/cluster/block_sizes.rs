//! Frameworks cut the KV cache into blocks of different sizes; prefixes are
//! found by whichever is configured.

use std::num::NonZeroUsize;

use dynamo_test::prelude::*;
use kv_router::{Config, Router, Token};

use crate::engines::Gate;
use crate::fixture::Cluster;

suite!(integration, router);

#[dynamo_test(premerge, vllm)]
async fn a_prefix_is_found_in_blocks_of_16(cluster: Cluster) -> anyhow::Result<()> {
    prefixes_lead_back(cluster, 16).await
}

#[dynamo_test(postmerge, tensorrt_llm)]
async fn a_prefix_is_found_in_blocks_of_32(cluster: Cluster) -> anyhow::Result<()> {
    prefixes_lead_back(cluster, 32).await
}

#[dynamo_test(nightly, sglang)]
async fn a_prefix_is_found_in_blocks_of_64(cluster: Cluster) -> anyhow::Result<()> {
    prefixes_lead_back(cluster, 64).await
}

/// Two workers hold a prompt each. What begins with a whole block of one leads
/// to the worker that holds it; less than a block leads nowhere.
async fn prefixes_lead_back(cluster: Cluster, block_size: usize) -> anyhow::Result<()> {
    let gate = Gate::closed();
    cluster.start(64, gate.clone()).await?;
    cluster.start(64, gate.clone()).await?;
    let router = Router::start(&Config {
        block_size: NonZeroUsize::try_from(block_size)?,
        ..cluster.config.clone()
    })
    .await?;

    let goes_to = async |prompt: &[Token]| anyhow::Ok(router.dispatch(prompt).await?.worker);

    let one = vec![1; 2 * block_size];
    let other = vec![2; 2 * block_size];
    // Biased, so that the one prompt takes its place before the other.
    let (first, second, ()) = tokio::try_join!(biased; goes_to(&one), goes_to(&other), async {
        gate.reached_by(2).await?;
        gate.open();
        Ok(())
    })?;
    assert!(first < second, "both workers were idle: the lowest id comes first");

    assert_eq!(goes_to(&one[..block_size]).await?, first);
    assert_eq!(goes_to(&other[..block_size]).await?, second);
    assert_eq!(goes_to(&other[..block_size - 1]).await?, first);
    Ok(())
}
