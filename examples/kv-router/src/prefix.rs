//! Prompts as blocks of the KV cache, and which blocks a worker holds.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;

use lru::LruCache;

use crate::Token;

/// Stands for a block and all that came before it: the same tokens after
/// another beginning are another block.
type BlockHash = u64;

/// A prompt as a router sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    full: Vec<BlockHash>,
    blocks: usize,
}

impl Prompt {
    /// Cuts `tokens` into blocks of `block_size`, the last of which may be
    /// partial. Only full blocks can be found in a cache.
    pub fn new(tokens: &[Token], block_size: NonZeroUsize) -> Self {
        let full = tokens
            .chunks_exact(block_size.get())
            .scan(DefaultHasher::new(), |hasher, block| {
                block.hash(hasher);
                Some(hasher.finish())
            })
            .collect();
        let blocks = tokens.len().div_ceil(block_size.get());
        Self { full, blocks }
    }

    /// Blocks that a worker with `cache` has to make room for: those it does
    /// not hold, and one for the answer.
    pub(crate) fn cost(&self, cache: &PrefixCache) -> usize {
        self.blocks - cache.overlap(self) + 1
    }
}

/// The blocks a worker is likely to hold, judged by the prompts it was sent.
#[derive(Debug)]
pub(crate) struct PrefixCache(LruCache<BlockHash, ()>);

impl PrefixCache {
    pub(crate) fn new() -> Self {
        // A bounded one would allocate its bound, which a worker has chosen.
        Self(LruCache::unbounded())
    }

    /// Remembers the blocks of `prompt` and forgets those least recently used,
    /// until no more than `capacity` are left.
    pub(crate) fn insert(&mut self, prompt: &Prompt, capacity: NonZeroUsize) {
        // From the last to the first: a block is of no use without those before
        // it, so the first ones have to stay the longest.
        for &block in prompt.full.iter().rev() {
            self.0.put(block, ());
        }
        while self.0.len() > capacity.get() {
            self.0.pop_lru();
        }
    }

    /// How many of the prompt's leading blocks are held.
    fn overlap(&self, prompt: &Prompt) -> usize {
        let held = |block: &&BlockHash| self.0.contains(*block);
        prompt.full.iter().take_while(held).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_test::prelude::*;

    const fn blocks(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    fn prompt(tokens: &[Token]) -> Prompt {
        Prompt::new(tokens, blocks(2))
    }

    #[dynamo_test(unit, router)]
    fn only_full_blocks_overlap() {
        let mut cache = PrefixCache::new();
        cache.insert(&prompt(&[1, 2, 3]), blocks(8));
        assert_eq!(cache.overlap(&prompt(&[1, 2, 3])), 1);
        assert_eq!(cache.overlap(&prompt(&[1, 2, 3, 4])), 1);
        assert_eq!(cache.overlap(&prompt(&[1])), 0);
    }

    #[dynamo_test(unit, router)]
    fn equal_blocks_after_different_beginnings_do_not_overlap() {
        let mut cache = PrefixCache::new();
        cache.insert(&prompt(&[1, 2, 3, 4]), blocks(8));
        assert_eq!(cache.overlap(&prompt(&[9, 9, 3, 4])), 0);
    }

    #[dynamo_test(unit, router)]
    fn a_full_cache_forgets_the_end_of_the_oldest_prompt_first() {
        let mut cache = PrefixCache::new();
        cache.insert(&prompt(&[1, 2, 3, 4]), blocks(3));
        cache.insert(&prompt(&[5, 6, 7, 8]), blocks(3));
        assert_eq!(cache.overlap(&prompt(&[1, 2, 3, 4])), 1);
        assert_eq!(cache.overlap(&prompt(&[5, 6, 7, 8])), 2);
    }

    #[dynamo_test(unit, router)]
    fn a_prompt_costs_what_is_not_cached_and_a_block_for_the_answer() {
        let mut cache = PrefixCache::new();
        let prompt = prompt(&[1, 2, 3, 4, 5]);
        assert_eq!(prompt.cost(&cache), 4);
        cache.insert(&prompt, blocks(8));
        assert_eq!(prompt.cost(&cache), 2);
    }
}
