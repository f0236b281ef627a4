//! Keeps a routing table in step with the registrations in etcd.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{
    Client, Error, Event, EventType, GetOptions, KeyValue, WatchOptions, WatchStream,
};
use tokio::sync::watch;

use crate::protocol::{RegistrationError, WORKERS, WorkerId, WorkerInfo};
use crate::table::RoutingTable;

const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lists the workers, and watches for all that changes after that list.
pub(crate) async fn list_and_watch(
    etcd: &mut Client,
    table: &watch::Sender<RoutingTable>,
) -> Result<WatchStream, Error> {
    let list = etcd.get(WORKERS, Some(GetOptions::new().with_prefix())).await?;
    let revision = list.header().map_or(0, |header| header.revision());
    let after = WatchOptions::new().with_prefix().with_start_revision(revision + 1);
    let changes = etcd.watch(WORKERS, Some(after)).await?;

    let workers = list.kvs().iter().filter_map(|kv| understood(worker(kv)));
    table.send_modify(|table| table.replace(workers));
    Ok(changes)
}

/// Applies changes for as long as it is polled.
///
/// A watch ends when etcd restarts or has compacted what it had still to tell.
/// The workers known by then stay in the table until they can be listed anew.
pub(crate) async fn follow(
    mut etcd: Client,
    mut changes: WatchStream,
    table: Arc<watch::Sender<RoutingTable>>,
) {
    loop {
        match apply(&mut changes, &table).await {
            Ok(()) => tracing::warn!("etcd ended the watch for workers"),
            Err(error) => tracing::warn!(%error, "lost the watch for workers"),
        }
        changes = loop {
            tokio::time::sleep(RETRY_AFTER).await;
            match list_and_watch(&mut etcd, &table).await {
                Ok(changes) => break changes,
                Err(error) => tracing::warn!(%error, "cannot list the workers"),
            }
        };
    }
}

async fn apply(
    changes: &mut WatchStream,
    table: &watch::Sender<RoutingTable>,
) -> Result<(), Error> {
    while let Some(response) = changes.message().await? {
        if response.canceled() {
            break;
        }
        if !response.events().is_empty() {
            table.send_modify(|table| {
                response.events().iter().for_each(|event| update(table, event));
            });
        }
    }
    Ok(())
}

fn update(table: &mut RoutingTable, event: &Event) {
    let Some(kv) = event.kv() else { return };
    match event.event_type() {
        EventType::Put => {
            if let Some((id, info)) = understood(worker(kv)) {
                table.insert(id, info);
            }
        }
        EventType::Delete => {
            if let Some(id) = understood(WorkerId::from_key(kv.key())) {
                table.remove(id);
            }
        }
    }
}

fn worker(kv: &KeyValue) -> Result<(WorkerId, WorkerInfo), RegistrationError> {
    let id = WorkerId::from_key(kv.key())?;
    Ok((id, WorkerInfo::from_value(kv.key(), kv.value())?))
}

/// One broken registration must not keep a router from the others.
fn understood<T>(parsed: Result<T, RegistrationError>) -> Option<T> {
    parsed.inspect_err(|error| tracing::warn!(%error, "ignored a registration")).ok()
}
