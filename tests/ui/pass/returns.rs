//! What a case may return.

use std::error::Error;
use std::io;

use dynamo_test::prelude::*;

type Outcome<E = io::Error> = Result<(), E>;

type Nothing = ();

#[dynamo_test]
fn nothing() -> Nothing {}

#[dynamo_test]
fn io_error() -> io::Result<()> {
    io::copy(&mut io::empty(), &mut io::sink()).map(drop)
}

#[dynamo_test]
fn boxed() -> Result<(), Box<dyn Error>> {
    let _: u32 = "3".parse()?;
    Ok(())
}

#[dynamo_test]
fn boxed_to_send() -> Result<(), Box<dyn Error + Send + Sync>> {
    let _: u32 = "3".parse()?;
    Ok(())
}

#[dynamo_test]
async fn anyhow(_: TempDir) -> anyhow::Result<()> {
    tokio::task::yield_now().await;
    let _: u32 = "3".parse()?;
    Ok(())
}

#[dynamo_test]
fn text() -> Result<(), &'static str> {
    "text".strip_prefix("te").map(drop).ok_or("no prefix")
}

#[dynamo_test]
fn alias() -> Outcome {
    io::copy(&mut io::empty(), &mut io::sink()).map(drop)
}
