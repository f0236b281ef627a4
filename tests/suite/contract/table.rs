//! What the contract's cases come out as, by where their servers come from.

use super::Backend;
use crate::fixture_crate::Ran;

/// What becomes of a case. The text must be in what is shown of it.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Passed,
    /// By the test's own doing.
    Failed(&'static str),
    /// By that of its servers.
    Error(&'static str),
    /// With this reason.
    Skipped(&'static str),
    /// It needs what there is not here, and does not find out by itself.
    NotTried,
}

use Outcome::{Failed, NotTried, Passed, Skipped};

impl Outcome {
    /// Holds what was shown of a case against this.
    pub(super) fn check(self, ran: &Ran, case: &str) {
        let verdict = ran.verdict(case);
        let failed_as = |kind: &str, text: &str| {
            assert_eq!(verdict, "FAILED", "{case}");
            let shown = ran.failure(case);
            assert!(shown.starts_with(kind) && shown.contains(text), "{case}: {shown}");
        };
        match self {
            Passed => assert_eq!(verdict, "ok", "{case}: {}", ran.stdout),
            Failed(text) => failed_as("failed: ", text),
            Self::Error(text) => failed_as("error: ", text),
            NotTried => panic!("{case} was run"),
            Skipped(reason) => {
                let is_skipped = verdict.starts_with("ignored (") && verdict.contains(reason);
                assert!(is_skipped, "{case}: {verdict}");
            }
        }
    }
}

/// A case, or all of a module.
pub(super) struct Row {
    /// How their names begin.
    pub(super) cases: &'static str,
    process: Outcome,
    docker: Outcome,
    external: Outcome,
}

impl Row {
    pub(super) fn is_tried(&self, backend: &Backend<'_>) -> bool {
        !matches!(self.outcome(backend), NotTried)
    }

    pub(super) fn outcome(&self, backend: &Backend<'_>) -> Outcome {
        match backend {
            Backend::Process => self.process,
            Backend::Docker(_) => self.docker,
            Backend::External { .. } => self.external,
        }
    }
}

/// Whatever is done to somebody's server befalls its owner, too.
const STOPS: Outcome = Skipped("that it may stop, and the one at 127.0.0.1:");

/// It cannot be told how to start, either.
const CONFIGURES: Outcome = Skipped("configured as");

const NOT_THE_SERVER: Outcome = Failed("the client did not survive it");

const fn row(cases: &'static str, process: Outcome, docker: Outcome, external: Outcome) -> Row {
    Row { cases, process, docker, external }
}

#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    //                                        process         docker          external
    row("ready::jetstream_takes_the_first_message", Passed,         Passed,         STOPS),
    row("ready::etcd_takes_the_first_key",    Passed,         Passed,         STOPS),
    row("ready::clients_are_connected",       Passed,         Passed,         Passed),
    row("environment::",                      Passed,         Passed,         Passed),
    row("wiped::",                            Passed,         Passed,         Passed),
    row("alone::",                            Passed,         Passed,         Passed),
    row("shared::prefixes::keep_apart",       Passed,         Passed,         Passed),
    row("shared::accounts::are_found",        Passed,         Passed,         NotTried),
    row("configured::demands_a_credentials_", Passed,         Passed,         CONFIGURES),
    row("nats::",                             Passed,         Passed,         STOPS),
    row("etcd::",                             Passed,         Passed,         STOPS),
    row("blame::the_case_that_",               NOT_THE_SERVER, NOT_THE_SERVER, STOPS),
];
