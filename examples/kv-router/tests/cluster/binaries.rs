//! The binary as users run it: each worker and the router a process.

use dynamo_test::prelude::*;

use crate::fixture::Cluster;
use crate::program::Program;

suite!(e2e, router);

#[dynamo_test(premerge)]
async fn a_prompt_goes_in_and_its_answer_comes_out(
    program: Program,
    _nats: Nats,
    _etcd: Etcd,
) -> anyhow::Result<()> {
    let (_, id) = program.worker("64", &[]).await?;
    let router = program.router().await?;
    router.write_line("101 7592 2088")?;
    router.wait_for_line(format!("{id} [101, 7592, 2088]")).await?;
    router.write_line("hello")?;
    router.wait_for_line("error: not a list of token ids: invalid digit found in string").await?;
    Ok(())
}

#[dynamo_test(postmerge)]
async fn a_killed_worker_is_dropped(program: Program, cluster: Cluster) -> anyhow::Result<()> {
    let (victim, dead) = program.worker("64", &[("KV_ROUTER_LEASE_TTL", "2")]).await?;
    let (_, alive) = program.worker("64", &[]).await?;
    cluster.sees(|table| table.contains(dead) && table.contains(alive)).await?;

    victim.kill().await?;
    // Its lease lives on, but requests need not wait for the end of it.
    for token in 0..4 {
        assert_eq!(cluster.router.dispatch(&[token]).await?.worker, alive);
    }
    cluster.sees(|table| !table.contains(dead)).await?;
    assert!(cluster.router.table().borrow().contains(alive));
    Ok(())
}

#[dynamo_test(nightly)]
async fn a_terminated_worker_deregisters(program: Program, cluster: Cluster) -> anyhow::Result<()> {
    let (worker, id) = program.worker("64", &[]).await?;
    cluster.sees(|table| table.contains(id)).await?;
    assert!(worker.stop().await?.success());
    cluster.sees(|table| table.is_empty()).await
}
