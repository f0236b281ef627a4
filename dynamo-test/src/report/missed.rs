//! What took longer than it should, in a few lines.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::standards::{Missed, Standard};

/// How many cases are named of those that missed a standard: the slowest.
const NAMED: usize = 3;

/// The standards that were missed.
#[derive(Debug, Default)]
pub(super) struct AllMissed(BTreeMap<Standard, Misses>);

#[derive(Debug)]
struct Misses {
    limit: Duration,
    /// The longest time, where it is the run that took it.
    took: Duration,
    /// The cases, and the longest time that each took.
    cases: BTreeMap<String, Duration>,
}

impl AllMissed {
    pub(super) fn add(&mut self, missed: &Missed<'_>) {
        let Missed { standard, case, limit, took } = *missed;
        let new = || Misses { limit, took, cases: BTreeMap::new() };
        let misses = self.0.entry(standard).or_insert_with(new);
        misses.took = misses.took.max(took);
        if let Some(case) = case {
            let longest = misses.cases.entry(case.into()).or_default();
            *longest = took.max(*longest);
        }
    }
}

impl fmt::Display for AllMissed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        writeln!(f, "took longer than they should (dynamo-test.toml says what should):")?;
        for (standard, misses) in &self.0 {
            let Misses { limit, took, cases } = misses;
            let (limit, took) = (shown(*limit), shown(*took));
            let count = cases.len();
            let plural = if count == 1 { "" } else { "s" };
            f.write_str("    ")?;
            match standard {
                Standard::Unit => write!(f, "{count} unit case{plural}, more than {limit}: ")?,
                Standard::Integration => {
                    write!(f, "{count} integration case{plural}, more than {limit}: ")?;
                }
                Standard::Slow => {
                    write!(f, "{count} case{plural} not marked `slow`, more than {limit}: ")?;
                }
                Standard::UnitCases => {
                    writeln!(f, "all unit cases together, {took}, more than {limit}")?;
                }
                Standard::Budget { lifecycle } => {
                    writeln!(f, "the run, {took}, more than the {limit} of {lifecycle}")?;
                }
            }
            if count > 0 {
                writeln!(f, "{}", slowest(cases))?;
            }
        }
        Ok(())
    }
}

/// The slowest of these cases, and how many there are besides.
fn slowest(cases: &BTreeMap<String, Duration>) -> String {
    let mut cases: Vec<_> = cases.iter().collect();
    cases.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let mut named: Vec<String> = cases
        .iter()
        .take(NAMED)
        .map(|(case, took)| format!("{case} ({})", shown(**took)))
        .collect();
    if cases.len() > NAMED {
        named.push(format!("and {} more", cases.len() - NAMED));
    }
    named.join(", ")
}

/// A time for people, to two or three digits.
fn shown(time: Duration) -> String {
    const UNITS: [Duration; 3] =
        [Duration::from_secs(1), Duration::from_millis(100), Duration::from_millis(1)];
    let unit = match time.as_secs() {
        60.. => UNITS[0],
        1.. => UNITS[1],
        0 => UNITS[2],
    };
    let rounded = time - Duration::from_nanos((time.as_nanos() % unit.as_nanos()) as u64);
    // Of less than a millisecond nothing would be left.
    humantime::format_duration(if rounded.is_zero() { time } else { rounded }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn the_slowest_are_named_and_the_rest_is_counted() {
        let mut all = AllMissed::default();
        let limit = Duration::from_millis(10);
        for (case, took) in
            [("a", 1_234), ("b", 15), ("a", 30), ("c", 70_900), ("d", 11), ("e", 11)]
        {
            let took = Duration::from_millis(took);
            all.add(&Missed { standard: Standard::Unit, case: Some(case), limit, took });
        }
        let line = all.to_string().lines().last().unwrap().to_owned();
        let expected =
            "5 unit cases, more than 10ms: c (1m 10s), a (1s 200ms), b (15ms), and 2 more";
        assert_eq!(line.trim_start(), expected);
    }
}
