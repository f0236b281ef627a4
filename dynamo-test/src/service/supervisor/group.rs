//! A group of servers that talk to each other through relays alone.
//!
//! They start together, and do not reach each other before each of them listens: an etcd that asks another for the
//! cluster's members, and is neither answered nor refused, waits for seconds.

use std::io;
use std::path::PathBuf;
use std::thread;

use super::super::spec::PeerSpec;
use super::super::wire::ServerError;
use super::network::Network;
use super::process::ServerProcess;
use super::server::{Server, Surroundings};

/// Starts the servers of a group, each in its own surroundings; returns once all of them listen and may reach each
/// other, which need not mean that they have found each other.
pub(super) fn start(
    peers: &[PeerSpec],
    surroundings: Vec<Surroundings>,
    seed: u64,
) -> Result<(Vec<ServerProcess>, Network), ServerError> {
    let folders: Vec<PathBuf> = surroundings.iter().map(|place| place.folder.clone()).collect();
    let network = network(peers, &folders, seed).map_err(|error| ServerError::NoPort {
        name: peers.iter().map(|peer| &*peer.name).collect::<Vec<_>>().join(", "),
        error: error.to_string(),
    })?;
    let fronts = network.authorities();
    let servers: Vec<ServerProcess> = thread::scope(|scope| {
        let starts = peers.iter().zip(surroundings).zip(&fronts);
        let starts: Vec<_> = starts
            .map(|((peer, surroundings), front)| {
                let port = front.rsplit(':').next().unwrap_or_default();
                let process = peer.process.with_port(port);
                scope.spawn(move || ServerProcess::start(&peer.name, &process, surroundings))
            })
            .collect();
        let started = starts.into_iter().map(|start| match start.join() {
            Ok(started) => started,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        // Those that did start end with this where another did not.
        started.collect::<Result<_, _>>()
    })?;
    for (number, server) in servers.iter().enumerate() {
        network.lead_to(number, server.endpoint());
    }
    Ok((servers, network))
}

/// The ways to the servers of a group, and from each to each other.
fn network(peers: &[PeerSpec], folders: &[PathBuf], seed: u64) -> io::Result<Network> {
    let mut network = Network::of(peers.len(), seed)?;
    for (to, (peer, folder)) in peers.iter().zip(folders).enumerate() {
        let target = folder.join(&peer.socket);
        for (from, folder) in folders.iter().enumerate().filter(|(from, _)| *from != to) {
            network.link((from, &folder.join(&peer.socket)), (to, &target))?;
        }
    }
    Ok(network)
}
