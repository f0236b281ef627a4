//! Routes LLM requests to the worker whose KV cache suits them best.
//!
//! A worker registers in etcd under a lease and answers requests on a NATS
//! subject of its own. A [`Router`] watches the registrations and sends each
//! request to the worker that would carry the least load with it, where blocks
//! of the prompt that the worker holds already cost nothing. A worker whose
//! lease ends leaves the [`RoutingTable`], and what it was working on goes to
//! another one.
//!
//! ```no_run
//! use kv_router::{Config, Router};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let router = Router::start(&Config::from_env()?).await?;
//! let response = router.dispatch(&[101, 7592, 2088]).await?;
//! println!("worker {} says {:?}", response.worker, response.tokens);
//! # Ok(())
//! # }
//! ```

mod config;
mod discovery;
mod load;
mod prefix;
mod protocol;
mod router;
mod table;
mod worker;

pub use config::{Config, ConfigError};
pub use load::Load;
pub use prefix::Prompt;
pub use protocol::{Token, WorkerId, WorkerInfo};
pub use router::{DispatchError, Response, Router, RouterError};
pub use table::RoutingTable;
pub use worker::{Engine, Worker, WorkerError};

#[cfg(test)]
dynamo_test::main!();
