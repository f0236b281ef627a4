//! Faults at random, as a function of a seed.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use super::Fault;
use crate::seed::Numbers;

/// Which faults, how often and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Chances {
    pub(crate) faults: Vec<Fault>,
    /// How long all is well between two of them.
    pub(crate) every: RangeInclusive<Duration>,
    pub(crate) lasting: RangeInclusive<Duration>,
    /// How many there are.
    pub(crate) times: Option<usize>,
}

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Scheduled {
    #[serde(flatten)]
    pub(crate) fault: Fault,
    /// How long all was well before it.
    #[serde(rename = "after_ms", serialize_with = "milliseconds")]
    pub(crate) after: Duration,
    /// How long it lasts. The next one begins later.
    #[serde(rename = "for_ms", serialize_with = "milliseconds")]
    pub(crate) lasts: Duration,
}

impl Chances {
    /// The faults that a seed stands for: the first ones are the same, however many are asked for. There are none where
    /// there is none to choose from.
    pub(crate) fn schedule(&self, seed: u64) -> impl Iterator<Item = Scheduled> + use<> {
        let Self { faults, every, lasting, times } = self.clone();
        let mut random = Numbers::new(seed);
        let endless = std::iter::from_fn(move || {
            let last = faults.len().checked_sub(1)?;
            let fault = *faults.get(usize::try_from(random.up_to(last as u64)).ok()?)?;
            Some(Scheduled {
                fault,
                after: between(&mut random, &every),
                // These are over when they have happened.
                lasts: match (fault, between(&mut random, &lasting)) {
                    (Fault::Reset | Fault::ExpireLeases, _) => Duration::ZERO,
                    (_, lasts) => lasts,
                },
            })
        });
        endless.take(times.unwrap_or(usize::MAX))
    }
}

/// A span within the bounds, to the millisecond; the lower one where they are in the wrong order.
fn between(random: &mut Numbers, bounds: &RangeInclusive<Duration>) -> Duration {
    let milliseconds = |span: &Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let least = milliseconds(bounds.start());
    let most = milliseconds(bounds.end()).max(least);
    Duration::from_millis(least + random.up_to(most - least))
}

fn milliseconds<S: serde::Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prelude::*;

    const FAULTS: [Fault; 4] = [Fault::Pause, Fault::Kill, Fault::Refuse, Fault::Reset];

    fn chances() -> impl Strategy<Value = Chances> {
        let bounds = || (0..500_u64, 0..500_u64);
        let faults = proptest::sample::subsequence(FAULTS.to_vec(), 1..=FAULTS.len());
        (faults, bounds(), bounds(), 0..50_usize).prop_map(|(faults, every, lasting, times)| {
            let range = |(least, more): (u64, u64)| {
                Duration::from_millis(least)..=Duration::from_millis(least + more)
            };
            Chances { faults, every: range(every), lasting: range(lasting), times: Some(times) }
        })
    }

    #[dynamo_test]
    fn a_schedule_keeps_within_what_was_asked_for() {
        proptest!(|(chances in chances(), seed: u64)| {
            let schedule: Vec<Scheduled> = chances.schedule(seed).collect();
            prop_assert_eq!(Some(schedule.len()), chances.times);
            for Scheduled { fault, after, lasts } in schedule {
                prop_assert!(chances.faults.contains(&fault));
                prop_assert!(chances.every.contains(&after));
                prop_assert!(chances.lasting.contains(&lasts) || fault == Fault::Reset);
            }
        });
    }

    #[dynamo_test]
    fn a_seed_stands_for_one_schedule_and_a_longer_one_begins_alike() {
        proptest!(|(chances in chances(), seed: u64, more in 0..50_usize)| {
            let longer = Chances { times: chances.times.map(|times| times + more), ..chances.clone() };
            let schedule: Vec<Scheduled> = chances.schedule(seed).collect();
            let longer: Vec<Scheduled> = longer.schedule(seed).take(schedule.len()).collect();
            prop_assert_eq!(schedule, longer);
        });
    }

    #[dynamo_test]
    fn seeds_differ_and_every_fault_has_its_turn() {
        let chances = Chances {
            faults: FAULTS.to_vec(),
            every: Duration::ZERO..=Duration::from_secs(1),
            lasting: Duration::ZERO..=Duration::from_secs(1),
            times: Some(200),
        };
        let schedules = [1, 2].map(|seed| chances.schedule(seed).collect::<Vec<_>>());
        assert_ne!(schedules[0], schedules[1]);
        for fault in FAULTS {
            assert!(schedules[0].iter().any(|one| one.fault == fault), "{fault} never comes");
        }
    }
}
