//! A worker: registered in etcd under a lease, answering over NATS.

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use etcd_client::PutOptions;
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};

use crate::config::Config;
use crate::protocol::{Reply, Token, WorkerId, WorkerInfo};

/// Generates the answer to a prompt.
pub trait Engine: Send + Sync + 'static {
    /// Why it could not; the router passes the text on to who asked.
    type Error: Error;

    /// Called for several prompts at a time. A panic leaves the prompt without
    /// an answer.
    fn generate(
        &self,
        prompt: Vec<Token>,
    ) -> impl Future<Output = Result<Vec<Token>, Self::Error>> + Send;
}

/// A worker that routers can see, but that answers only in [`Worker::serve`].
pub struct Worker {
    id: WorkerId,
    ttl: Duration,
    nats: async_nats::Client,
    etcd: etcd_client::Client,
    requests: Subscriber,
}

/// Why a [`Worker`] could not register, or stopped.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum WorkerError {
    #[error("cannot connect to NATS at {url}")]
    Connect { url: String, source: async_nats::ConnectError },
    #[error("cannot subscribe to `{subject}`")]
    Subscribe { subject: String, source: Box<dyn Error + Send + Sync> },
    #[error("cannot register in etcd")]
    Register(#[source] etcd_client::Error),
    #[error("cannot deregister from etcd: the lease of worker {worker} ends by itself")]
    Deregister { worker: WorkerId, source: etcd_client::Error },
    #[error(
        "worker {worker} lost its lease: etcd ended it, or did not hear of the worker for {ttl:?}"
    )]
    LeaseLost { worker: WorkerId, ttl: Duration },
    #[error("worker {worker} was disconnected from NATS")]
    Disconnected { worker: WorkerId },
}

impl Worker {
    /// Registers under a new lease. It ends, and the worker with it, unless
    /// [`serve`](Self::serve) is called within [`Config::lease_ttl`].
    pub async fn register(config: &Config, info: WorkerInfo) -> Result<Self, WorkerError> {
        let nats = config
            .nats()
            .await
            .map_err(|source| WorkerError::Connect { url: config.nats_server.clone(), source })?;
        let mut etcd = config.etcd().await.map_err(WorkerError::Register)?;
        let lease = etcd
            .lease_grant(config.lease_ttl.get().into(), None)
            .await
            .map_err(WorkerError::Register)?;
        let id = WorkerId::from_lease(lease.id());

        // NATS must know the worker before etcd shows it to a router.
        let subject = id.subject();
        let requests = match subscribe(&nats, &subject).await {
            Ok(requests) => requests,
            Err(source) => return Err(WorkerError::Subscribe { subject, source }),
        };
        let info = serde_json::json!(info).to_string();
        let under_lease = PutOptions::new().with_lease(lease.id());
        etcd.put(id.key(), info, Some(under_lease)).await.map_err(WorkerError::Register)?;
        Ok(Self {
            id,
            // Which may be more than was asked for.
            ttl: Duration::from_secs(lease.ttl().unsigned_abs()),
            nats,
            etcd,
            requests,
        })
    }

    /// The lease it has registered under.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Answers requests until `shutdown` completes; then answers those it was
    /// sent by then, and deregisters.
    ///
    /// Dropping the future is a crash: routers see the worker until its lease
    /// ends.
    ///
    /// # Errors
    ///
    /// When the lease is lost: no router sends anything any more, and the
    /// worker has to register anew.
    pub async fn serve(
        self,
        engine: impl Engine,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), WorkerError> {
        let Self { id, mut etcd, .. } = self;
        tokio::select! {
            lost = keep_lease(etcd.clone(), id, self.ttl) => return Err(lost),
            done = answer_all(id, self.nats, self.requests, engine, shutdown) => done?,
        }
        match etcd.lease_revoke(id.lease()).await {
            Ok(_) => Ok(()),
            Err(source) => Err(WorkerError::Deregister { worker: id, source }),
        }
    }
}

/// Subscribes, and waits until the server knows of it. A flush would end when
/// the bytes have left this process, which is too early to invite requests; a
/// message to oneself comes back when the server has read what was before it.
async fn subscribe(
    nats: &async_nats::Client,
    subject: &str,
) -> Result<Subscriber, Box<dyn Error + Send + Sync>> {
    let mut requests = nats.subscribe(subject.to_owned()).await?;
    nats.publish(subject.to_owned(), "".into()).await?;
    let message = timeout(Duration::from_secs(5), requests.next()).await?;
    message.ok_or("the connection was closed")?;
    Ok(requests)
}

/// Keeps the lease alive, and returns when it is lost.
///
/// A keep-alive stream does not outlive a restart of etcd, but the lease does:
/// so each message has a stream of its own, and one that fails is nothing to
/// worry about as long as another one succeeds in time.
async fn keep_lease(mut etcd: etcd_client::Client, worker: WorkerId, ttl: Duration) -> WorkerError {
    let mut ends = Instant::now() + ttl;
    let mut ticks = interval(ttl / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let asked = Instant::now();
        match timeout_at(ends, etcd.lease_keep_alive(worker.lease())).await {
            Ok(Ok(_)) => ends = asked + ttl,
            // Etcd has answered, and knows of no such lease.
            Ok(Err(etcd_client::Error::LeaseKeepAliveError(_))) => break,
            Ok(Err(error)) if Instant::now() < ends => {
                tracing::warn!(%worker, %error, "cannot keep the lease alive");
            }
            Ok(Err(_)) | Err(_) => break,
        }
    }
    WorkerError::LeaseLost { worker, ttl }
}

async fn answer_all(
    worker: WorkerId,
    nats: async_nats::Client,
    mut requests: Subscriber,
    engine: impl Engine,
    shutdown: impl Future<Output = ()>,
) -> Result<(), WorkerError> {
    let engine = Arc::new(engine);
    let mut in_flight = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            message = requests.next() => match message {
                Some(message) => {
                    in_flight.spawn(answer(Arc::clone(&engine), nats.clone(), message));
                }
                None => return Err(WorkerError::Disconnected { worker }),
            },
            Some(_) = in_flight.join_next() => {}
        }
    }

    let disconnected = |_| WorkerError::Disconnected { worker };
    // From here on NATS answers for this worker that there is nobody.
    requests.drain().await.map_err(disconnected)?;
    while let Some(message) = requests.next().await {
        in_flight.spawn(answer(Arc::clone(&engine), nats.clone(), message));
    }
    while in_flight.join_next().await.is_some() {}
    nats.flush().await.map_err(|_| WorkerError::Disconnected { worker })
}

async fn answer<E: Engine>(engine: Arc<E>, nats: async_nats::Client, message: Message) {
    let Some(inbox) = message.reply else {
        return;
    };
    let reply: Reply = match serde_json::from_slice(&message.payload) {
        Ok(prompt) => engine.generate(prompt).await.map_err(|e| e.to_string()),
        Err(error) => Err(format!("the request is not a list of tokens: {error}")),
    };
    let reply = serde_json::json!(reply).to_string();
    if let Err(error) = nats.publish(inbox, reply.into()).await {
        tracing::warn!(%error, "cannot send a reply");
    }
}
