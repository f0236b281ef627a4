//! `kv-router`: a worker that echoes, or a router that reads prompts from
//! standard input.

use std::convert::Infallible;
use std::io;
use std::num::NonZeroUsize;

use anyhow::{Context, bail};
use kv_router::{Config, Engine, Router, Token, Worker, WorkerInfo};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
usage: kv-router worker BLOCKS   answer prompts, with a KV cache of BLOCKS blocks
       kv-router router          route prompts from standard input: token ids, a prompt a line

servers: $NATS_SERVER (nats://localhost:4222), $ETCD_ENDPOINTS (http://localhost:2379)";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(io::stderr).init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match *arguments.iter().map(String::as_str).collect::<Vec<_>>() {
        ["worker", blocks] => {
            let capacity = blocks
                .parse()
                .with_context(|| format!("BLOCKS is `{blocks}`: expected a number above 0"))?;
            work(&Config::from_env()?, capacity).await
        }
        ["router"] => route(&Config::from_env()?).await,
        _ => bail!(USAGE),
    }
}

/// Answers with the prompt.
struct Echo;

impl Engine for Echo {
    type Error = Infallible;

    async fn generate(&self, prompt: Vec<Token>) -> Result<Vec<Token>, Infallible> {
        Ok(prompt)
    }
}

async fn work(config: &Config, capacity: NonZeroUsize) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    let shutdown = async {
        tokio::select! {
            _ = ctrl_c() => {}
            _ = terminated.recv() => {}
        }
    };
    let worker = Worker::register(config, WorkerInfo { capacity }).await?;
    println!("worker {}", worker.id());
    Ok(worker.serve(Echo, shutdown).await?)
}

async fn route(config: &Config) -> anyhow::Result<()> {
    let router = Router::start(config).await?;
    let mut prompts = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = prompts.next_line().await? {
        let tokens: Result<Vec<Token>, _> = line.split_whitespace().map(str::parse).collect();
        match tokens {
            Ok(tokens) => match router.dispatch(&tokens).await {
                Ok(response) => println!("{} {:?}", response.worker, response.tokens),
                Err(error) => println!("error: {error}"),
            },
            Err(error) => println!("error: not a list of token ids: {error}"),
        }
    }
    Ok(())
}
