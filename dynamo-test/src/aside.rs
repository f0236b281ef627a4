//! What the harness does beside a case, on threads of its own.

use std::io;
use std::thread;

/// The name of such threads, which are not shown among a case's own. The system cuts names after 15 bytes.
pub(crate) const HARNESS_THREAD: &str = "dynamo-test";

/// Does something on a thread of the harness's own.
pub(crate) fn aside(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(HARNESS_THREAD.into()).spawn(work).map(drop)
}
