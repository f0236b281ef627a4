//! Engines whose behaviour a case decides.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use kv_router::{Engine, Token};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

/// Answers with the prompt, at once.
pub(crate) struct Echo;

impl Engine for Echo {
    type Error = Infallible;

    async fn generate(&self, prompt: Vec<Token>) -> Result<Vec<Token>, Infallible> {
        Ok(prompt)
    }
}

/// Fails.
pub(crate) struct Broken;

impl Engine for Broken {
    type Error = io::Error;

    async fn generate(&self, _: Vec<Token>) -> Result<Vec<Token>, io::Error> {
        Err(io::Error::other("out of memory"))
    }
}

/// Holds prompts back until the case lets them go. Clones share one gate.
#[derive(Clone)]
pub(crate) struct Gate {
    arrived: watch::Sender<usize>,
    open: Arc<Semaphore>,
}

impl Gate {
    pub(crate) fn closed() -> Self {
        Self { arrived: watch::Sender::new(0), open: Arc::new(Semaphore::new(0)) }
    }

    /// Waits until `prompts` have come to the gate since it was made.
    pub(crate) async fn reached_by(&self, prompts: usize) -> anyhow::Result<()> {
        let mut arrived = self.arrived.subscribe();
        let enough = arrived.wait_for(|arrived| *arrived >= prompts);
        let reached = timeout(Duration::from_secs(20), enough).await;
        reached.with_context(|| format!("{prompts} prompts never came to the gate"))??;
        Ok(())
    }

    /// Lets through what waits and what comes later.
    pub(crate) fn open(&self) {
        self.open.close();
    }
}

impl Engine for Gate {
    type Error = Infallible;

    async fn generate(&self, prompt: Vec<Token>) -> Result<Vec<Token>, Infallible> {
        self.arrived.send_modify(|arrived| *arrived += 1);
        // No permit is ever given: this ends when the gate is opened.
        let _ = self.open.acquire().await;
        Ok(prompt)
    }
}
