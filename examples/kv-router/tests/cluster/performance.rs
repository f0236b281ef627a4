//! How fast the router is, and whether it stays right under load.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use dynamo_test::prelude::*;
use kv_router::{Prompt, RoutingTable, WorkerId, WorkerInfo};
use tokio::task::JoinSet;

use crate::engines::Echo;
use crate::fixture::Cluster;

#[dynamo_test(benchmark, nightly, router)]
fn choosing_among_a_thousand_workers() {
    let mut table = RoutingTable::default();
    for id in 1..=1000 {
        let capacity = NonZeroUsize::new(4096).unwrap();
        table.insert(WorkerId::from_lease(id), WorkerInfo { capacity });
    }
    let prompt = Prompt::new(&[7; 1024], NonZeroUsize::new(16).unwrap());

    let rounds = 200;
    let started = Instant::now();
    for _ in 0..rounds {
        let chosen = black_box(&table).choose(black_box(&prompt), &[]);
        assert_eq!(chosen, Some(WorkerId::from_lease(1)));
    }
    println!("{:?} a choice", started.elapsed() / rounds);
}

#[dynamo_test(benchmark, nightly, router)]
async fn requests_from_end_to_end(cluster: Cluster) -> anyhow::Result<()> {
    cluster.start(1024, Echo).await?;
    cluster.start(1024, Echo).await?;
    let mut clients = JoinSet::new();
    let started = Instant::now();
    for client in 0..16 {
        let router = Arc::clone(&cluster.router);
        clients.spawn(async move {
            let mut answered = BTreeMap::new();
            for token in 0..50 {
                let response = router.dispatch(&[client, token]).await?;
                *answered.entry(response.worker).or_insert(0) += 1;
            }
            anyhow::Ok(answered)
        });
    }

    let mut answered = BTreeMap::new();
    while let Some(client) = clients.join_next().await {
        for (worker, count) in client?? {
            *answered.entry(worker).or_insert(0) += count;
        }
    }
    let elapsed = started.elapsed();
    assert_eq!(answered.values().sum::<u32>(), 800);
    assert_eq!(answered.len(), 2, "a worker was never asked");
    println!("{:.0} requests/s", 800.0 / elapsed.as_secs_f64());
    Ok(())
}

#[dynamo_test(stress, release, router)]
async fn every_request_is_answered_while_workers_crash(cluster: Cluster) -> anyhow::Result<()> {
    cluster.start(64, Echo).await?;
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let router = Arc::clone(&cluster.router);
        clients.spawn(async move {
            for token in 0..100 {
                let prompt = [client, token];
                assert_eq!(router.dispatch(&prompt).await?.tokens, prompt);
            }
            anyhow::Ok(())
        });
    }
    // Larger than the one that stays, so that requests prefer them.
    for _ in 0..20 {
        let worker = cluster.start(1024, Echo).await?;
        cluster.crash(worker).await?;
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}
