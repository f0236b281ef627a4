use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::wire::ServerError;
use super::member::Member;

/// The servers of one spec that several clients use at once.
#[derive(Default)]
pub(super) struct SharedServers {
    servers: Mutex<Vec<Arc<SharedServer>>>,
}

/// One of them, with the numbers of its parts that somebody has.
struct SharedServer {
    member: Arc<Member>,
    taken: Mutex<BTreeSet<u32>>,
}

/// A part of a server that nobody else has; dropping it gives it back. A server that is not well any more ends with the
/// last of its parts.
pub(super) struct Part {
    server: Arc<SharedServer>,
    pub(super) number: u32,
}

impl SharedServers {
    /// A part of a server that is well, or of one that is started now. Whoever comes meanwhile waits for that.
    pub(super) fn part(
        &self,
        parts: u32,
        start: impl FnOnce() -> Result<Arc<Member>, ServerError>,
    ) -> Result<Part, ServerError> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.retain(|server| server.member.is_well());
        if let Some(part) = servers.iter().find_map(|server| Part::of(server, parts)) {
            return Ok(part);
        }
        let server = Arc::new(SharedServer { member: start()?, taken: Mutex::default() });
        servers.push(Arc::clone(&server));
        server.taken().insert(0);
        Ok(Part { server, number: 0 })
    }
}

impl SharedServer {
    fn taken(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    /// The first that is free.
    fn of(server: &Arc<SharedServer>, parts: u32) -> Option<Self> {
        let mut taken = server.taken();
        let number = (0..parts).find(|number| !taken.contains(number))?;
        taken.insert(number);
        Some(Self { server: Arc::clone(server), number })
    }

    pub(super) fn member(&self) -> &Arc<Member> {
        &self.server.member
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.server.taken().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::super::tail::Tail;
    use super::super::super::wire::Command;
    use super::super::server::Server;
    use super::*;
    use crate::prelude::*;

    struct Idle;

    impl Server for Idle {
        fn name(&self) -> &str {
            "idle"
        }

        fn authority(&self) -> String {
            String::new()
        }

        fn folder(&self) -> Option<&Path> {
            None
        }

        fn ended(&self, _within: Duration) -> Option<String> {
            None
        }

        fn tail(&self) -> Tail {
            Tail::default()
        }

        fn command(&self, _command: Command) -> Result<(), ServerError> {
            Ok(())
        }

        fn suspend(&self, _suspended: bool) {}

        fn stop(&self) {}
    }

    #[dynamo_test]
    fn a_part_is_one_client_s_and_where_none_is_free_or_well_there_is_another_server() {
        let servers = SharedServers::default();
        let lease = || servers.part(2, || Ok(Arc::new(Member::of(Idle)))).ok().unwrap();
        let is_same = |one: &Part, other: &Part| Arc::ptr_eq(one.member(), other.member());
        let (first, second, third) = (lease(), lease(), lease());
        assert!(is_same(&first, &second) && first.number != second.number);
        assert!(!is_same(&first, &third));

        let (number, server) = (first.number, Arc::clone(first.member()));
        drop(first);
        let again = lease();
        assert!(is_same(&again, &second) && again.number == number);

        drop(again);
        server.discard();
        assert!(is_same(&lease(), &third), "nobody gets a part of what is not well");
    }
}
