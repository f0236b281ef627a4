//! Which workers there are, what they are doing, and which one is next.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use crate::load::Load;
use crate::prefix::{PrefixCache, Prompt};
use crate::protocol::{WorkerId, WorkerInfo};

/// The workers a router knows, and what it has given each of them to do.
#[derive(Debug, Default)]
pub struct RoutingTable {
    workers: BTreeMap<WorkerId, Entry>,
}

#[derive(Debug)]
struct Entry {
    capacity: NonZeroUsize,
    in_flight: usize,
    cache: PrefixCache,
}

impl Entry {
    fn load_with(&self, more: usize) -> Load {
        Load { blocks: self.in_flight + more, capacity: self.capacity }
    }
}

impl RoutingTable {
    /// Adds a worker, or takes over what has changed about a known one.
    pub fn insert(&mut self, id: WorkerId, info: WorkerInfo) {
        self.workers.entry(id).and_modify(|entry| entry.capacity = info.capacity).or_insert_with(
            || Entry { capacity: info.capacity, in_flight: 0, cache: PrefixCache::new() },
        );
    }

    /// Forgets a worker, and what it was doing.
    pub fn remove(&mut self, id: WorkerId) {
        self.workers.remove(&id);
    }

    /// Makes `workers` all there are; those known already keep their state.
    pub(crate) fn replace(&mut self, workers: impl IntoIterator<Item = (WorkerId, WorkerInfo)>) {
        let workers: BTreeMap<_, _> = workers.into_iter().collect();
        self.workers.retain(|id, _| workers.contains_key(id));
        for (id, info) in workers {
            self.insert(id, info);
        }
    }

    /// Whether the worker is registered.
    pub fn contains(&self, id: WorkerId) -> bool {
        self.workers.contains_key(&id)
    }

    /// How many workers there are.
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// Whether there are no workers.
    pub fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    /// The load of all workers together, by which a planner adds or takes away
    /// some; none where there are no workers.
    pub fn load(&self) -> Option<Load> {
        let entries = self.workers.values();
        let capacities = entries.clone().map(|entry| entry.capacity.get());
        // What a worker says of itself must not make a sum overflow.
        let capacity = capacities.fold(0, usize::saturating_add);
        Some(Load {
            blocks: entries.map(|entry| entry.in_flight).sum(),
            capacity: NonZeroUsize::new(capacity)?,
        })
    }

    /// The worker whose load with `prompt` would be the least, none of
    /// `excluded`. Of equals it is the one with the lowest id.
    pub fn choose(&self, prompt: &Prompt, excluded: &[WorkerId]) -> Option<WorkerId> {
        let candidates = self.workers.iter().filter(|(id, _)| !excluded.contains(id));
        candidates
            .min_by_key(|(id, entry)| (entry.load_with(prompt.cost(&entry.cache)), **id))
            .map(|(id, _)| *id)
    }

    /// Chooses a worker and counts `prompt` as in flight there. Returns it with
    /// the blocks to [`release`](Self::release) afterwards.
    pub(crate) fn reserve(
        &mut self,
        prompt: &Prompt,
        excluded: &[WorkerId],
    ) -> Option<(WorkerId, usize)> {
        let id = self.choose(prompt, excluded)?;
        let entry = self.workers.get_mut(&id)?;
        let blocks = prompt.cost(&entry.cache);
        entry.in_flight += blocks;
        entry.cache.insert(prompt, entry.capacity);
        Some((id, blocks))
    }

    /// Gives back what [`reserve`](Self::reserve) took; a worker that has left
    /// has taken it along.
    pub(crate) fn release(&mut self, id: WorkerId, blocks: usize) {
        if let Some(entry) = self.workers.get_mut(&id) {
            entry.in_flight -= blocks;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_test::prelude::*;

    fn worker(id: i64) -> WorkerId {
        WorkerId::from_lease(id)
    }

    fn info(capacity: usize) -> WorkerInfo {
        let capacity = NonZeroUsize::new(capacity).unwrap();
        WorkerInfo { capacity }
    }

    fn prompt(tokens: &[u32]) -> Prompt {
        Prompt::new(tokens, NonZeroUsize::new(2).unwrap())
    }

    fn table(workers: impl IntoIterator<Item = (i64, usize)>) -> RoutingTable {
        let mut table = RoutingTable::default();
        table.replace(workers.into_iter().map(|(id, capacity)| (worker(id), info(capacity))));
        table
    }

    #[dynamo_test(unit, router)]
    fn of_equal_workers_the_lowest_id_is_chosen() {
        let table = table([(3, 8), (1, 8), (2, 8)]);
        assert_eq!(table.choose(&prompt(&[1]), &[]), Some(worker(1)));
        assert_eq!(table.choose(&prompt(&[1]), &[worker(1)]), Some(worker(2)));
    }

    #[dynamo_test(unit, router)]
    fn load_is_what_the_worker_would_have_with_the_prompt() {
        // Idle both, but the prompt fills half of one and a quarter of the other.
        let table = table([(1, 4), (2, 8)]);
        assert_eq!(table.choose(&prompt(&[1, 2]), &[]), Some(worker(2)));
    }

    #[dynamo_test(unit, router)]
    fn a_cached_prefix_outweighs_a_lower_id() {
        let mut table = table([(1, 8), (2, 8)]);
        let long = prompt(&[1, 2, 3, 4]);
        let (id, blocks) = table.reserve(&long, &[worker(1)]).unwrap();
        table.release(id, blocks);
        assert_eq!(table.choose(&long, &[]), Some(worker(2)));
        assert_eq!(table.choose(&prompt(&[9, 9]), &[]), Some(worker(1)));
    }

    #[dynamo_test(unit, router)]
    fn a_cached_prefix_does_not_outweigh_a_busy_worker() {
        let mut table = table([(1, 8), (2, 8)]);
        let long = prompt(&[1, 2, 3, 4]);
        table.reserve(&long, &[worker(1)]).unwrap();
        assert_eq!(table.choose(&long, &[]), Some(worker(1)));
    }

    #[dynamo_test(unit, router)]
    fn what_is_released_counts_no_more() {
        let mut table = table([(1, 8)]);
        let (id, blocks) = table.reserve(&prompt(&[1, 2]), &[]).unwrap();
        assert_eq!(table.load().unwrap().to_string(), "2 of 8 blocks");
        table.release(id, blocks);
        assert_eq!(table.load().unwrap().to_string(), "0 of 8 blocks");
    }

    #[dynamo_test(unit, router)]
    fn a_worker_that_left_owes_nothing_when_it_comes_back() {
        let mut table = table([(1, 8)]);
        let (id, blocks) = table.reserve(&prompt(&[1, 2]), &[]).unwrap();
        table.remove(id);
        table.release(id, blocks);
        assert_eq!(table.load(), None);
    }

    #[dynamo_test(unit, planner)]
    fn workers_that_boast_do_not_overflow_the_sum() {
        let table = table([(1, usize::MAX), (2, 8)]);
        assert_eq!(table.load().unwrap().capacity.get(), usize::MAX);
    }

    #[dynamo_test(unit, router)]
    fn a_fresh_listing_keeps_the_state_of_known_workers() {
        let mut table = table([(1, 8), (2, 8)]);
        table.reserve(&prompt(&[1, 2]), &[]).unwrap();
        table.replace([(worker(1), info(16)), (worker(3), info(8))]);
        assert!(!table.contains(worker(2)));
        assert_eq!(table.load().unwrap().to_string(), "2 of 24 blocks");
    }
}
