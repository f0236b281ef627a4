use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::Path;

use testcontainers::bollard::Docker;
use testcontainers::bollard::query_parameters::InspectNetworkOptions;

use super::error::engine_address;

/// What Docker puts into its containers.
const MARK_OF_A_CONTAINER: &str = "/.dockerenv";

/// Where the ports of containers are reached from here: an address or a name.
pub(super) async fn host(docker: &Docker) -> String {
    let address = engine_address();
    match address.split_once("://") {
        Some(("tcp" | "http", rest)) => {
            rest.rsplit_once(':').map_or(rest, |(host, _)| host).trim_matches('/').to_owned()
        }
        _ => match gateway(docker).await {
            // An engine outside the container that this process is in.
            Some(gateway) if !is_our_own(gateway) => gateway.to_string(),
            // Not `localhost`, which may mean `::1` first, where nothing is mapped.
            _ => Ipv4Addr::LOCALHOST.to_string(),
        },
    }
}

/// Where a container finds the engine's machine; none outside of containers.
async fn gateway(docker: &Docker) -> Option<IpAddr> {
    if !Path::new(MARK_OF_A_CONTAINER).exists() {
        return None;
    }
    let bridge = docker.inspect_network("bridge", None::<InspectNetworkOptions>).await.ok()?;
    let subnets = bridge.ipam?.config?;
    subnets.into_iter().find_map(|subnet| subnet.gateway?.parse().ok())
}

/// Whether an address is one of this machine's, or of this container's.
fn is_our_own(address: IpAddr) -> bool {
    TcpListener::bind((address, 0)).is_ok()
}
