//! Containers are removed: those of an owner that is gone, and those that were left by any such owner.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::ContainerSummary;
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};

use super::labels::{self, Labels};

/// How long nothing must have come to light: the engine may still be at work on what the owner asked of it last.
const QUIET: Duration = Duration::from_secs(2);

/// How long the engine may fail to answer; after that it is for the next run to remove.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(100);

/// Removes what an owner that is gone has left, until nothing more turns up.
pub(super) async fn remove_all_of(docker: &Docker, labels: &[String]) {
    let started = Instant::now();
    let mut quiet_since = Instant::now();
    while quiet_since.elapsed() < QUIET && started.elapsed() < PATIENCE {
        match list(docker, labels.to_vec()).await {
            Ok(left) if left.is_empty() => {}
            Ok(left) => {
                remove_each(docker, left).await;
                quiet_since = Instant::now();
            }
            Err(_) => quiet_since = Instant::now(),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Removes what owners left that were killed together with their reapers.
pub(super) async fn remove_stale(docker: Docker) {
    // An engine that does not answer is an error where a server is wanted of it.
    let Ok(all) = list(&docker, Labels::filters_of_all()).await else { return };
    let stale =
        all.into_iter().filter(|container| container.labels.as_ref().is_some_and(labels::is_stale));
    remove_each(&docker, stale.collect()).await;
}

async fn list(docker: &Docker, labels: Vec<String>) -> Result<Vec<ContainerSummary>, Error> {
    let filters = HashMap::from([("label", labels)]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    docker.list_containers(Some(options)).await
}

async fn remove_each(docker: &Docker, containers: Vec<ContainerSummary>) {
    let ids = containers.iter().filter_map(|container| container.id.as_deref());
    join_all(ids.map(|id| remove(docker, id))).await;
}

/// Removes a container, by name or id, with its anonymous volumes.
pub(super) async fn remove(docker: &Docker, container: &str) {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    // Somebody else may remove it at the same time; what stays is found again by its labels.
    let _ = docker.remove_container(container, Some(options)).await;
}
