use std::num::NonZeroU32;

use clap::Args;

use super::{or_variable, switch};
use crate::config::Limit;
use crate::variables::BadVariable;

/// How a run goes and when it ends.
#[derive(Debug, Args)]
pub(crate) struct Course {
    /// Leave out the cases that did not fail when they ran last
    #[arg(long, help_heading = "Selection")]
    pub(crate) failed: bool,

    /// Run the cases that failed when they ran last before the others
    #[arg(long, help_heading = "Running", conflicts_with = "failed")]
    pub(crate) failed_first: bool,

    /// Run the cases in a random order: that of the number, else of the run's seed
    #[arg(
        long,
        value_name = "SEED",
        help_heading = "Running",
        num_args = 0..=1,
        value_parser = shuffle_seed
    )]
    shuffle: Option<Option<u64>>,

    /// Run each case so many times, in rounds; one that fails in some and passes in others is flaky
    #[arg(long, value_name = "N", help_heading = "Running", value_parser = at_least_one)]
    repeat: Option<NonZeroU32>,

    /// Repeat the cases, in rounds, until one fails (or N times, with --repeat N)
    #[arg(long, help_heading = "Running")]
    until_fail: bool,

    /// Begin nothing more once a case has failed
    #[arg(long, help_heading = "Running", conflicts_with = "max_fail")]
    fail_fast: bool,

    /// Begin nothing more once N cases have failed
    #[arg(long, value_name = "N", help_heading = "Running", value_parser = at_least_one)]
    max_fail: Option<NonZeroU32>,

    /// End the run after this much time, as in "30 min": what runs then has timed out; or "none"
    #[arg(long, value_name = "TIME", help_heading = "Running")]
    pub(crate) run_timeout: Option<Limit>,
}

/// How often the cases run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    Times(NonZeroU32),
    /// Until one fails.
    Endlessly,
}

/// In which order the cases run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shuffle {
    /// The run's seed gives it.
    ByRun,
    /// This number gives it.
    By(u64),
}

impl Course {
    /// Fills what no flag gave from the environment.
    pub(super) fn add_environment(
        &mut self,
        variable: impl Fn(&'static str) -> Option<String> + Copy,
    ) -> Result<(), BadVariable> {
        let number = "a number, 1 or more";
        self.repeat = or_variable(self.repeat, "DYNAMO_TEST_REPEAT", number, variable)?;
        self.until_fail |= switch("DYNAMO_TEST_UNTIL_FAIL", variable)?;
        let order = "a number, or random";
        self.shuffle = match (self.shuffle, variable("DYNAMO_TEST_SHUFFLE").as_deref()) {
            (None, Some("random")) => Some(None),
            _ if self.shuffle.is_some() => self.shuffle,
            _ => or_variable(None, "DYNAMO_TEST_SHUFFLE", order, variable)?.map(Some),
        };
        if !self.fail_fast && self.max_fail.is_none() {
            self.fail_fast = switch("DYNAMO_TEST_FAIL_FAST", variable)?;
            self.max_fail = or_variable(None, "DYNAMO_TEST_MAX_FAIL", number, variable)?;
            if self.fail_fast && self.max_fail.is_some() {
                return Err(contradiction("DYNAMO_TEST_FAIL_FAST", "DYNAMO_TEST_MAX_FAIL"));
            }
        }
        if !self.failed && !self.failed_first {
            self.failed = switch("DYNAMO_TEST_FAILED", variable)?;
            self.failed_first = switch("DYNAMO_TEST_FAILED_FIRST", variable)?;
            if self.failed && self.failed_first {
                return Err(contradiction("DYNAMO_TEST_FAILED", "DYNAMO_TEST_FAILED_FIRST"));
            }
        }
        let time = "a time with its unit, as in \"30 min\", or none";
        self.run_timeout =
            or_variable(self.run_timeout, "DYNAMO_TEST_RUN_TIMEOUT", time, variable)?;
        Ok(())
    }

    pub(crate) fn repeat(&self) -> Option<Repeat> {
        match (self.repeat, self.until_fail) {
            (Some(times), _) => Some(Repeat::Times(times)),
            (None, true) => Some(Repeat::Endlessly),
            (None, false) => None,
        }
    }

    pub(crate) fn shuffle(&self) -> Option<Shuffle> {
        self.shuffle.map(|seed| seed.map_or(Shuffle::ByRun, Shuffle::By))
    }

    /// After how many failures nothing more begins.
    pub(crate) fn max_fail(&self) -> Option<NonZeroU32> {
        if self.fail_fast || self.until_fail { Some(NonZeroU32::MIN) } else { self.max_fail }
    }

    /// Why something makes no sense where another runner starts the cases, one by one.
    pub(crate) fn refused_by(&self, runner: OtherRunner) -> Option<String> {
        let own_order = "the order is its own";
        let asked = [
            ("DYNAMO_TEST_SHUFFLE", self.shuffle.is_some(), own_order),
            ("DYNAMO_TEST_FAILED_FIRST", self.failed_first, own_order),
            ("DYNAMO_TEST_FAIL_FAST", self.fail_fast, "it counts the failures itself (--max-fail)"),
            ("DYNAMO_TEST_MAX_FAIL", self.max_fail.is_some(), "it counts the failures itself"),
            ("DYNAMO_TEST_RUN_TIMEOUT", self.run_timeout.is_some(), "it alone knows the whole run"),
            (
                "DYNAMO_TEST_UNTIL_FAIL",
                self.until_fail && (self.repeat.is_none() || runner == OtherRunner::Stock),
                "a case that passes would never end (DYNAMO_TEST_REPEAT bounds it)",
            ),
        ];
        let by_stock = [
            ("DYNAMO_TEST_REPEAT", self.repeat.is_some(), "it runs each case once"),
            ("DYNAMO_TEST_FAILED", self.failed, "it keeps no record of what failed"),
        ];
        let by_stock = by_stock.into_iter().filter(|_| runner == OtherRunner::Stock);
        let (variable, _, why) = asked.into_iter().chain(by_stock).find(|(_, asked, _)| *asked)?;
        let runner = match runner {
            OtherRunner::Nextest => "cargo-nextest",
            OtherRunner::Stock => "the stock harness",
        };
        Some(format!("{variable} means nothing to {runner}: {why}"))
    }
}

/// A runner that is not ours, and starts the cases one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherRunner {
    Nextest,
    Stock,
}

fn contradiction(one: &'static str, other: &'static str) -> BadVariable {
    BadVariable::Contradiction { one, other }
}

fn at_least_one(text: &str) -> Result<NonZeroU32, &'static str> {
    text.parse().map_err(|_| "it takes a number, 1 or more")
}

fn shuffle_seed(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "it takes a number; names of cases stand before it")
}
