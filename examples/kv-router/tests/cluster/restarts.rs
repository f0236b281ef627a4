//! Servers that go away under a cluster at work, and come back.

use std::time::Duration;

use dynamo_test::prelude::*;
use kv_router::{Config, Router};

use crate::engines::Echo;
use crate::fixture::{answered, sees, start_worker};

suite!(integration, premerge, router);

#[dynamo_test]
async fn a_router_and_its_worker_survive_a_restart_of_nats(
    nats: Nats<Dedicated>,
    etcd: Etcd,
) -> anyhow::Result<()> {
    let config = Config {
        request_timeout: Duration::from_secs(1),
        ..Config::new(nats.url(), etcd.endpoints())
    };
    let router = Router::start(&config).await?;
    let worker = start_worker(&config, 8, Echo).await?;
    sees(&router, |table| table.contains(worker.id)).await?;
    nats.restart()?;
    assert_eq!(answered(&router, &[1]).await?.worker, worker.id);
    Ok(())
}

#[dynamo_test]
async fn a_router_sees_who_registers_after_a_restart_of_etcd(
    nats: Nats,
    etcd: Etcd<Dedicated>,
) -> anyhow::Result<()> {
    let config = Config::new(nats.url(), etcd.endpoints());
    let router = Router::start(&config).await?;
    let before = start_worker(&config, 8, Echo).await?;
    sees(&router, |table| table.contains(before.id)).await?;
    etcd.restart()?;
    let after = start_worker(&config, 8, Echo).await?;
    sees(&router, |table| table.contains(before.id) && table.contains(after.id)).await?;
    assert_eq!(router.dispatch(&[1]).await?.tokens, [1]);
    Ok(())
}
