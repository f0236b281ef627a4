//! How busy a worker is, as an exact fraction.

use std::cmp::Ordering;
use std::fmt;
use std::num::NonZeroUsize;

/// KV-cache blocks in use, of those there are.
///
/// Loads compare by their fraction: 1 of 2 equals 8 of 16. A load above 1 means
/// that requests queue in the worker.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Blocks in use, or asked for.
    pub blocks: usize,
    /// Blocks there are.
    pub capacity: NonZeroUsize,
}

impl Load {
    /// 0.0 where idle, 1.0 where full, more where requests queue.
    pub fn fraction(self) -> f64 {
        self.blocks as f64 / self.capacity.get() as f64
    }
}

impl Ord for Load {
    /// Multiplies crosswise, because rounded quotients would make ties of
    /// loads that differ.
    fn cmp(&self, other: &Self) -> Ordering {
        let scaled = |blocks: usize, by: NonZeroUsize| blocks as u128 * by.get() as u128;
        scaled(self.blocks, other.capacity).cmp(&scaled(other.blocks, self.capacity))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Load {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Load {}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} blocks", self.blocks, self.capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_test::prelude::*;

    fn load(blocks: usize, capacity: usize) -> Load {
        let capacity = NonZeroUsize::new(capacity).expect("load without capacity");
        Load { blocks, capacity }
    }

    #[dynamo_test(unit, router)]
    fn loads_compare_by_fraction() {
        assert_eq!(load(1, 2), load(8, 16));
        assert!(load(3, 16) < load(1, 4));
        assert!(load(5, 4) > load(1, 1));
    }

    #[dynamo_test(unit, router)]
    fn loads_that_floats_cannot_tell_apart_still_differ() {
        let (lesser, greater) = (load(usize::MAX - 1, usize::MAX), load(1, 1));
        assert_eq!(lesser.fraction(), greater.fraction());
        assert!(lesser < greater);
    }

    #[dynamo_test(unit, router)]
    #[should_panic(expected = "load without capacity")]
    fn a_load_needs_capacity() {
        load(1, 0);
    }
}
