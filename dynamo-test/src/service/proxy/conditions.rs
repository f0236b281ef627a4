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
    /// This and another, one behind the other.
    fn with(self, other: Self) -> Self {
        let narrowest = self.bytes_per_second.into_iter().chain(other.bytes_per_second).min();
        Self {
            latency: self.latency.saturating_add(other.latency),
            jitter: self.jitter.saturating_add(other.jitter),
            bytes_per_second: narrowest,
            cut: self.cut || other.cut,
        }
    }

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
    /// What a server's network does to the connections that it makes as another's client. Nobody refuses it.
    pub(crate) fn as_seen_by_a_client(self) -> Self {
        Self { to_server: self.from_server, from_server: self.to_server, refuse: false }
    }

    /// Those of two networks, one behind the other.
    pub(crate) fn with(self, other: Self) -> Self {
        Self {
            to_server: self.to_server.with(other.to_server),
            from_server: self.from_server.with(other.from_server),
            refuse: self.refuse || other.refuse,
        }
    }

    /// The passages of a direction.
    pub(crate) fn passages(&mut self, direction: Direction) -> impl Iterator<Item = &mut Passage> {
        let Self { to_server, from_server, .. } = self;
        let to_server = (direction != Direction::FromServer).then_some(to_server);
        let from_server = (direction != Direction::ToServer).then_some(from_server);
        to_server.into_iter().chain(from_server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn what_two_servers_networks_do_adds_up_on_the_way_between_them() {
        let milliseconds = Duration::from_millis;
        let deaf = Conditions {
            to_server: Passage { cut: true, ..Passage::default() },
            refuse: true,
            ..Conditions::default()
        };
        let slow = Passage {
            latency: milliseconds(2),
            jitter: milliseconds(1),
            bytes_per_second: NonZeroU64::new(10),
            cut: false,
        };
        let slow = Conditions { to_server: slow, from_server: slow, refuse: false };
        let to_the_deaf = deaf.with(slow.as_seen_by_a_client());
        assert!(to_the_deaf.to_server.cut && !to_the_deaf.from_server.cut && to_the_deaf.refuse);
        let from_the_deaf = slow.with(deaf.as_seen_by_a_client());
        assert!(!from_the_deaf.to_server.cut && from_the_deaf.from_server.cut);
        assert!(!from_the_deaf.refuse, "nobody connects to it");
        let both = slow.with(slow.as_seen_by_a_client()).to_server;
        assert_eq!((both.latency, both.jitter), (milliseconds(4), milliseconds(2)));
        assert_eq!(both.bytes_per_second, NonZeroU64::new(10));
    }
}
