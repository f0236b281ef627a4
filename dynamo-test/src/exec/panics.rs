//! What the panic hook learns and `catch_unwind` does not tell: where a panic happened.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What ended a call before it returned.
pub(crate) enum Ended {
    Panicked(Panic),
    /// `skip!`, with its reason.
    Skipped(String),
}

/// The payload of `skip!`.
struct Skip(String);

/// Ends the case, which is reported as skipped for this reason.
pub fn skip(reason: String) -> ! {
    // Not by a panic, which the hook would print.
    panic::resume_unwind(Box::new(Skip(reason)))
}

/// A panic that ended a call.
pub(crate) struct Panic {
    pub(crate) message: String,
    /// `file:line:column`; unknown if the test replaced the panic hook.
    pub(crate) place: Option<String>,
}

/// Calls `body` and catches its panic. The usual hook still prints it.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Ended> {
    install_hook();
    PLACE.take();
    panic::catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        match payload.downcast::<Skip>() {
            Ok(skip) => Ended::Skipped(skip.0),
            Err(payload) => {
                let panic = Panic { message: message(&*payload), place: PLACE.take() };
                // Dropping it could panic again, and a case leaves worse things behind.
                std::mem::forget(payload);
                Ended::Panicked(panic)
            }
        }
    })
}

/// Has the hook note the place, then do what it did before.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PLACE.set(info.location().map(ToString::to_string));
            usual(info);
        }));
    });
}

fn message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into())
}
