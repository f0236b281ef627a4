//! Workers that come, stop and crash.

use std::num::NonZeroU32;

use anyhow::Context;
use dynamo_test::prelude::*;
use etcd_client::CompactionOptions;
use kv_router::{Config, DispatchError, Load, Router, WorkerError};

use crate::engines::{Echo, Gate};
use crate::fixture::{Cluster, sees, start_worker};

suite!(integration);

#[dynamo_test(postmerge, planner)]
async fn a_planner_sees_capacity_come_and_go(cluster: Cluster) -> anyhow::Result<()> {
    let capacity = || {
        let load = cluster.router.table().borrow().load();
        load.map(|Load { capacity, .. }| capacity.get())
    };
    assert_eq!(capacity(), None);
    let first = cluster.start(8, Echo).await?;
    cluster.start(16, Echo).await?;
    assert_eq!(capacity(), Some(24));
    first.stop().await?;
    cluster.sees(|table| table.len() == 1).await?;
    assert_eq!(capacity(), Some(16));
    Ok(())
}

#[dynamo_test(postmerge, planner)]
async fn a_planner_sees_load_come_and_go(cluster: Cluster) -> anyhow::Result<()> {
    let load = || cluster.router.table().borrow().load().map(Load::fraction);
    let gate = Gate::closed();
    cluster.start(8, gate.clone()).await?;
    let request = cluster.dispatch(&[1]);
    gate.reached_by(1).await?;
    assert_eq!(load(), Some(0.25));
    gate.open();
    request.await??;
    assert_eq!(load(), Some(0.0));
    Ok(())
}

#[dynamo_test(premerge, router)]
async fn a_request_moves_on_when_its_worker_crashes(cluster: Cluster) -> anyhow::Result<()> {
    let gate = Gate::closed();
    let first = cluster.start(8, gate.clone()).await?;
    let request = cluster.dispatch(&[1]);
    gate.reached_by(1).await?;

    let second = cluster.start(8, Echo).await?;
    cluster.crash(first).await?;
    assert_eq!(request.await??.worker, second.id);
    Ok(())
}

#[dynamo_test(postmerge, router)]
async fn when_the_last_worker_crashes_the_error_names_it(cluster: Cluster) -> anyhow::Result<()> {
    let gate = Gate::closed();
    let worker = cluster.start(8, gate.clone()).await?;
    let id = worker.id;
    let request = cluster.dispatch(&[1]);
    gate.reached_by(1).await?;

    cluster.crash(worker).await?;
    match request.await? {
        Err(DispatchError::WorkersLeft { tried }) => assert_eq!(tried, [id]),
        other => panic!("expected that all workers left, got {other:?}"),
    }
    Ok(())
}

#[dynamo_test(postmerge, router)]
async fn a_worker_that_stops_answers_what_it_was_sent(cluster: Cluster) -> anyhow::Result<()> {
    let gate = Gate::closed();
    let worker = cluster.start(8, gate.clone()).await?;
    let id = worker.id;
    let request = cluster.dispatch(&[1]);
    gate.reached_by(1).await?;

    let stopped = tokio::spawn(worker.stop());
    gate.open();
    assert_eq!(request.await??.worker, id);
    stopped.await??;
    cluster.sees(|table| table.is_empty()).await
}

#[dynamo_test(postmerge)]
async fn a_worker_whose_lease_is_gone_stops(cluster: Cluster) -> anyhow::Result<()> {
    let config = Config { lease_ttl: NonZeroU32::MIN, ..cluster.config.clone() };
    let worker = start_worker(&config, 8, Echo).await?;
    let id = worker.id;
    cluster.end_lease(id).await?;
    match worker.stopped().await? {
        Err(WorkerError::LeaseLost { worker, .. }) => assert_eq!(worker, id),
        other => panic!("expected a lost lease, got {other:?}"),
    }
    Ok(())
}

#[dynamo_test(nightly, router)]
async fn registrations_that_no_worker_wrote_are_ignored(cluster: Cluster) -> anyhow::Result<()> {
    let mut etcd = cluster.etcd.clone();
    for (id, value) in [("planner", "{}"), ("1f", "{}"), ("2f", r#"{"capacity":0}"#)] {
        etcd.put(format!("kv-router/workers/{id}"), value, None).await?;
    }
    let worker = cluster.start(8, Echo).await?;
    assert_eq!(cluster.router.table().borrow().len(), 1);
    assert_eq!(cluster.router.dispatch(&[1]).await?.worker, worker.id);
    Ok(())
}

#[dynamo_test(nightly, router)]
async fn a_router_needs_no_history_to_start(cluster: Cluster) -> anyhow::Result<()> {
    let mut etcd = cluster.etcd.clone();
    let here = cluster.start(8, Echo).await?.id;
    let gone = cluster.start(8, Echo).await?;
    gone.stop().await?;
    let written = etcd.put("unrelated", "", None).await?;
    let revision = written.header().context("no revision")?.revision();
    let forget = CompactionOptions::new().with_physical();
    etcd.compact(revision, Some(forget)).await?;

    let late = Router::start(&cluster.config).await?;
    assert!(late.table().borrow().contains(here));
    let newcomer = cluster.start(8, Echo).await?.id;
    sees(&late, |table| table.contains(newcomer)).await?;
    assert_eq!(late.table().borrow().len(), 2);
    Ok(())
}
