//! Sends each request to the worker that suits it, and to another if that one
//! leaves.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Request, RequestErrorKind};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::config::Config;
use crate::discovery;
use crate::prefix::Prompt;
use crate::protocol::{Reply, Token, WorkerId};
use crate::table::RoutingTable;

/// Routes requests to the workers registered in etcd.
///
/// Any number of requests may be in flight through one router. A router counts
/// what it dispatched itself, and knows nothing of what others did.
#[derive(Debug)]
pub struct Router {
    config: Config,
    nats: async_nats::Client,
    table: Arc<watch::Sender<RoutingTable>>,
    /// Ends the task that follows etcd when the router is dropped.
    _follower: JoinSet<()>,
}

/// What a worker made of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The worker that answered.
    pub worker: WorkerId,
    /// The tokens it generated.
    pub tokens: Vec<Token>,
}

/// Why a [`Router`] could not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RouterError {
    #[error("cannot connect to NATS at {url}")]
    Nats { url: String, source: async_nats::ConnectError },
    #[error("cannot read the workers from etcd at {}", endpoints.join(", "))]
    Etcd { endpoints: Vec<String>, source: etcd_client::Error },
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum DispatchError {
    #[error("no worker is registered: start one with `kv-router worker`")]
    NoWorkers,
    #[error("every worker left before it could answer: {}", list(tried))]
    WorkersLeft { tried: Vec<WorkerId> },
    #[error("worker {worker} did not answer within {after:?}")]
    TimedOut { worker: WorkerId, after: Duration },
    #[error("worker {worker} failed: {reason}")]
    Worker { worker: WorkerId, reason: String },
    #[error("worker {worker} sent a reply that is none")]
    Reply { worker: WorkerId, source: serde_json::Error },
    #[error("cannot send the request to worker {worker}")]
    Send { worker: WorkerId, source: async_nats::RequestError },
}

impl Router {
    /// Connects, and reads which workers there are.
    pub async fn start(config: &Config) -> Result<Self, RouterError> {
        let no_etcd =
            |source| RouterError::Etcd { endpoints: config.etcd_endpoints.clone(), source };
        let nats = config
            .nats()
            .await
            .map_err(|source| RouterError::Nats { url: config.nats_server.clone(), source })?;
        let mut etcd = config.etcd().await.map_err(no_etcd)?;
        let table = Arc::new(watch::Sender::default());
        let changes = discovery::list_and_watch(&mut etcd, &table).await.map_err(no_etcd)?;

        let mut follower = JoinSet::new();
        follower.spawn(discovery::follow(etcd, changes, Arc::clone(&table)));
        Ok(Self { config: config.clone(), nats, table, _follower: follower })
    }

    /// The routing table, to look at and to wait for. It is marked as changed
    /// when workers come or go, not when requests do. Requests wait for as long
    /// as it is borrowed.
    pub fn table(&self) -> watch::Receiver<RoutingTable> {
        self.table.subscribe()
    }

    /// Has a worker answer the prompt `tokens`.
    ///
    /// If the worker leaves before it has answered, another one is asked: a
    /// request may be worked on more than once, and its answer is that of the
    /// last. No worker is asked twice. Dropping the future gives the request up.
    pub async fn dispatch(&self, tokens: &[Token]) -> Result<Response, DispatchError> {
        let prompt = Prompt::new(tokens, self.config.block_size);
        let payload = serde_json::json!(tokens).to_string();
        let mut tried = Vec::new();
        while let Some(seat) = Seat::take(&self.table, &prompt, &tried) {
            let worker = seat.worker;
            if let Some(tokens) = self.ask(worker, payload.clone()).await? {
                return Ok(Response { worker, tokens });
            }
            tried.push(worker);
        }
        Err(if tried.is_empty() {
            DispatchError::NoWorkers
        } else {
            DispatchError::WorkersLeft { tried }
        })
    }

    /// Asks one worker; none if it has left.
    async fn ask(
        &self,
        worker: WorkerId,
        payload: String,
    ) -> Result<Option<Vec<Token>>, DispatchError> {
        let after = self.config.request_timeout;
        let request = Request::new().timeout(Some(after)).payload(payload.into());
        let mut table = self.table.subscribe();
        let reply = tokio::select! {
            // An answer that is there counts, even if its worker is not.
            biased;
            reply = self.nats.send_request(worker.subject(), request) => reply,
            _ = table.wait_for(|table| !table.contains(worker)) => return Ok(None),
        };
        let message = match reply {
            Ok(message) => message,
            Err(source) => {
                return match source.kind() {
                    // Its lease lives on for a while, but nobody is there.
                    RequestErrorKind::NoResponders => Ok(None),
                    RequestErrorKind::TimedOut => Err(DispatchError::TimedOut { worker, after }),
                    _ => Err(DispatchError::Send { worker, source }),
                };
            }
        };
        match serde_json::from_slice::<Reply>(&message.payload) {
            Ok(Ok(tokens)) => Ok(Some(tokens)),
            Ok(Err(reason)) => Err(DispatchError::Worker { worker, reason }),
            Err(source) => Err(DispatchError::Reply { worker, source }),
        }
    }
}

/// A request's place at a worker, free again when this is dropped.
struct Seat<'a> {
    table: &'a watch::Sender<RoutingTable>,
    worker: WorkerId,
    blocks: usize,
}

impl<'a> Seat<'a> {
    fn take(
        table: &'a watch::Sender<RoutingTable>,
        prompt: &Prompt,
        tried: &[WorkerId],
    ) -> Option<Self> {
        let mut reserved = None;
        table.send_if_modified(|table| {
            reserved = table.reserve(prompt, tried);
            false
        });
        let (worker, blocks) = reserved?;
        Some(Self { table, worker, blocks })
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.table.send_if_modified(|table| {
            table.release(self.worker, self.blocks);
            false
        });
    }
}

fn list(workers: &[WorkerId]) -> String {
    let names: Vec<_> = workers.iter().map(WorkerId::to_string).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_test::prelude::*;

    #[dynamo_test(unit, router)]
    fn a_request_that_is_given_up_leaves_its_seat() {
        let table = watch::Sender::new(RoutingTable::default());
        let worker = WorkerId::from_lease(1);
        let capacity = 8.try_into().unwrap();
        table.send_modify(|table| table.insert(worker, crate::WorkerInfo { capacity }));
        let prompt = Prompt::new(&[1], capacity);

        let seat = Seat::take(&table, &prompt, &[]).unwrap();
        assert_eq!(table.borrow().load().unwrap().blocks, 2);
        drop(seat);
        assert_eq!(table.borrow().load().unwrap().blocks, 0);
    }

    #[dynamo_test(unit, router)]
    fn the_error_names_every_worker_that_left() {
        let tried = vec![WorkerId::from_lease(0x1f), WorkerId::from_lease(0x2f)];
        assert_eq!(
            DispatchError::WorkersLeft { tried }.to_string(),
            "every worker left before it could answer: 1f, 2f"
        );
    }
}
