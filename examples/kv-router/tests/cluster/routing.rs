//! Which worker a request goes to, and what comes back.

use std::time::Duration;

use dynamo_test::prelude::*;
use kv_router::{Config, DispatchError, Router};

use crate::engines::{Broken, Echo, Gate};
use crate::fixture::Cluster;

suite!(integration, premerge, router);

#[dynamo_test]
async fn servers_are_found_in_the_environment(nats: Nats, etcd: Etcd) -> anyhow::Result<()> {
    let config = Config::from_env()?;
    assert_eq!(config, Config::new(nats.url(), etcd.endpoints()));
    Router::start(&config).await?;
    Ok(())
}

#[dynamo_test]
async fn an_answer_says_who_gave_it(cluster: Cluster) -> anyhow::Result<()> {
    let worker = cluster.start(8, Echo).await?;
    let response = cluster.router.dispatch(&[1, 2, 3]).await?;
    assert_eq!(response.worker, worker.id);
    assert_eq!(response.tokens, [1, 2, 3]);
    Ok(())
}

#[dynamo_test]
async fn a_busy_worker_is_passed_over(cluster: Cluster) -> anyhow::Result<()> {
    let gate = Gate::closed();
    cluster.start(8, gate.clone()).await?;
    cluster.start(8, gate.clone()).await?;

    let first = cluster.dispatch(&[1]);
    gate.reached_by(1).await?;
    let second = cluster.dispatch(&[2]);
    gate.reached_by(2).await?;
    gate.open();
    assert_ne!(first.await??.worker, second.await??.worker);
    Ok(())
}

#[dynamo_test]
async fn a_larger_worker_takes_more(cluster: Cluster) -> anyhow::Result<()> {
    let gate = Gate::closed();
    cluster.start(4, gate.clone()).await?;
    let large = cluster.start(16, gate.clone()).await?;

    // A block for the prompt and one for the answer, three times over, are
    // less of 16 than they are of 4 once.
    let mut requests = Vec::new();
    for token in 1..=3 {
        requests.push(cluster.dispatch(&[token]));
        gate.reached_by(requests.len()).await?;
    }
    gate.open();
    for request in requests {
        assert_eq!(request.await??.worker, large.id);
    }
    Ok(())
}

#[dynamo_test]
async fn without_workers_the_error_says_so(cluster: Cluster) {
    let error = cluster.router.dispatch(&[1]).await.unwrap_err();
    assert_eq!(error.to_string(), "no worker is registered: start one with `kv-router worker`");
}

#[dynamo_test]
async fn what_an_engine_complains_of_reaches_who_asked(cluster: Cluster) -> anyhow::Result<()> {
    let worker = cluster.start(8, Broken).await?;
    let error = cluster.router.dispatch(&[1]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("worker {} failed: out of memory", worker.id));
    Ok(())
}

#[dynamo_test]
async fn a_worker_that_takes_too_long_is_named(cluster: Cluster) -> anyhow::Result<()> {
    let worker = cluster.start(8, Gate::closed()).await?;
    let impatient = Router::start(&Config {
        request_timeout: Duration::from_millis(50),
        ..cluster.config.clone()
    })
    .await?;
    match impatient.dispatch(&[1]).await {
        Err(DispatchError::TimedOut { worker: named, .. }) => assert_eq!(named, worker.id),
        other => panic!("expected a timeout, got {other:?}"),
    }
    Ok(())
}
