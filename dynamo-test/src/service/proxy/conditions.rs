use std::num::NonZeroU64;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a network does to the traffic between clients and a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Conditions {
    /// To traffic towards the server.
    pub(crate) to_server: Passage,
    /// To traffic from the server.
    pub(crate) from_server: Passage,
    /// New connections are refused.
    pub(crate) refuse: bool,
}

/// What a network does to traffic in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Passage {
    /// How late bytes arrive, at least.
    pub(crate) latency: Duration,
    /// How much later than that, at most.
    pub(crate) jitter: Duration,
    /// How many bytes arrive a second, at most.
    pub(crate) bytes_per_second: Option<NonZeroU64>,
    /// Nothing arrives, nor does word that a side has closed. What was sent arrives once this has ended.
    pub(crate) cut: bool,
}

impl Passage {
    /// Whether bytes arrive later than they were sent.
    pub(super) fn is_late(&self) -> bool {
        !(self.latency.is_zero() && self.jitter.is_zero())
    }
}

/// A direction of traffic, seen from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What clients send.
    ToServer,
    /// What the server sends.
    FromServer,
    /// Both.
    Both,
}

impl Conditions {
    /// The passages of a direction.
    pub(crate) fn passages(&mut self, direction: Direction) -> impl Iterator<Item = &mut Passage> {
        let Self { to_server, from_server, .. } = self;
        let to_server = (direction != Direction::FromServer).then_some(to_server);
        let from_server = (direction != Direction::ToServer).then_some(from_server);
        to_server.into_iter().chain(from_server)
    }
}
