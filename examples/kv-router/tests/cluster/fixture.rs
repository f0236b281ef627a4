//! A fixture of this crate's own, built on two that come with dynamo-test.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use dynamo_test::prelude::*;
use kv_router::{
    Config, DispatchError, Engine, Response, Router, RoutingTable, Token, Worker, WorkerError,
    WorkerId, WorkerInfo,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A router without workers, on servers that no other case sees.
pub(crate) struct Cluster {
    pub(crate) config: Config,
    pub(crate) router: Arc<Router>,
    pub(crate) etcd: etcd_client::Client,
}

impl Fixture for Cluster {
    type Uses = (Nats, Etcd);

    async fn setup((nats, etcd): Self::Uses, case: &CaseContext) -> Result<Self, FixtureError> {
        let config = Config::new(nats.url(), etcd.endpoints());
        let router = Arc::new(Router::start(&config).await?);
        let etcd = etcd_client::Client::connect(&config.etcd_endpoints, None).await?;

        let mut witness = etcd.clone();
        case.on_teardown(async move |verdict| {
            if verdict == Verdict::Failed {
                let all = etcd_client::GetOptions::new().with_all_keys();
                for kv in witness.get("", Some(all)).await?.kvs() {
                    println!("etcd has {} = {}", kv.key_str()?, kv.value_str()?);
                }
            }
            Ok(())
        });
        Ok(Self { config, router, etcd })
    }
}

/// A worker that runs as a task of the case.
pub(crate) struct RunningWorker {
    pub(crate) id: WorkerId,
    shutdown: oneshot::Sender<()>,
    served: JoinHandle<Result<(), WorkerError>>,
}

impl Cluster {
    /// Starts a worker and waits until the router sees it.
    pub(crate) async fn start(
        &self,
        capacity: usize,
        engine: impl Engine,
    ) -> anyhow::Result<RunningWorker> {
        let worker = start_worker(&self.config, capacity, engine).await?;
        let id = worker.id;
        self.sees(|table| table.contains(id)).await?;
        Ok(worker)
    }

    /// Has the worker die without a word, and etcd end its lease.
    pub(crate) async fn crash(&self, worker: RunningWorker) -> anyhow::Result<()> {
        worker.served.abort();
        self.end_lease(worker.id).await
    }

    /// Ends a worker's lease, as etcd does with one that nobody keeps alive.
    pub(crate) async fn end_lease(&self, worker: WorkerId) -> anyhow::Result<()> {
        self.etcd.clone().lease_revoke(worker.lease()).await?;
        Ok(())
    }

    /// Dispatches a request in a task of its own.
    pub(crate) fn dispatch(&self, tokens: &[Token]) -> JoinHandle<Result<Response, DispatchError>> {
        let (router, tokens) = (Arc::clone(&self.router), tokens.to_vec());
        tokio::spawn(async move { router.dispatch(&tokens).await })
    }

    /// Waits until the router's table is as expected.
    pub(crate) async fn sees(
        &self,
        expected: impl FnMut(&RoutingTable) -> bool,
    ) -> anyhow::Result<()> {
        sees(&self.router, expected).await
    }
}

/// Waits until the table of `router` is as expected.
pub(crate) async fn sees(
    router: &Router,
    expected: impl FnMut(&RoutingTable) -> bool,
) -> anyhow::Result<()> {
    let mut table = router.table();
    let seen = timeout(Duration::from_secs(20), table.wait_for(expected)).await;
    if let Ok(seen) = seen {
        seen.context("the router is gone")?;
        return Ok(());
    }
    anyhow::bail!("the router never saw what was expected: {:?}", *router.table().borrow())
}

/// Dispatches a request until it is answered: one that is on its way when NATS goes away is lost, and until its workers
/// have come back, they seem to have left.
pub(crate) async fn answered(router: &Router, tokens: &[Token]) -> anyhow::Result<Response> {
    let answer = async {
        loop {
            match router.dispatch(tokens).await {
                Ok(answer) => return answer,
                Err(error) => println!("asked once more: {error}"),
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), answer).await.context("nobody answers")
}

/// Starts a worker of the cluster that `config` describes.
pub(crate) async fn start_worker(
    config: &Config,
    capacity: usize,
    engine: impl Engine,
) -> anyhow::Result<RunningWorker> {
    let capacity = NonZeroUsize::try_from(capacity)?;
    let worker = Worker::register(config, WorkerInfo { capacity }).await?;
    let id = worker.id();
    let (shutdown, asked) = oneshot::channel();
    let served = tokio::spawn(worker.serve(engine, async {
        if asked.await.is_err() {
            // Nobody can ask any more: it serves until the case ends.
            std::future::pending().await
        }
    }));
    Ok(RunningWorker { id, shutdown, served })
}

impl RunningWorker {
    /// Asks the worker to stop, and waits until it has.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let _ = self.shutdown.send(());
        Ok(self.served.await??)
    }

    /// Waits until the worker stops by itself.
    pub(crate) async fn stopped(self) -> anyhow::Result<Result<(), WorkerError>> {
        let Self { shutdown: _kept, served, .. } = self;
        Ok(served.await?)
    }
}
