//! Reports: the record of a run, and what a person reads. Every report is made from events.

mod events;
mod failure;
mod listing;
mod missed;
mod progress;
mod record;
mod results;
mod summary;

pub(crate) use events::{Event, FinishedCase, Selected, VERSION};
pub(crate) use failure::failure_text;
pub(crate) use listing::{explain, json_list, libtest_list, markers};
pub(crate) use progress::{Progress, Telling};
pub(crate) use record::{Record, home};
pub(crate) use results::LastResults;
pub(crate) use summary::Summary;
