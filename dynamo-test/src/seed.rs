//! Numbers that derive from the run's seed, so that a run with the same seed has the same; and those that differ each
//! time.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// Another number each time, in whichever process.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A case's own seed. It depends on the run's seed and the case's name alone, whatever else runs.
pub(crate) fn of(run: u64, case: &str) -> u64 {
    // FNV-1a; mixed, because names that differ at their ends alone are near to each other.
    let mut hash = 0xcbf2_9ce4_8422_2325;
    for byte in run.to_le_bytes().iter().chain(case.as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mix(hash)
}

/// The number at a place in the sequence that starts with `seed`: SplitMix64.
pub(crate) fn nth(seed: u64, place: u64) -> u64 {
    mix(seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The sequence that starts with a seed, number by number.
pub(crate) struct Numbers {
    seed: u64,
    place: u64,
}

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, place: 0 }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let number = nth(self.seed, self.place);
        self.place += 1;
        number
    }

    /// One of the numbers from 0 to `most`, that included, each as likely as the others, or very nearly so.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        let number = self.next();
        most.checked_add(1).map_or(number, |count| number % count)
    }
}

/// Has every bit of a number bear on every bit of the result.
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
