//! What a run does when it is told to stop (Ctrl-C, SIGTERM, SIGHUP) or to pause (Ctrl-Z).
//!
//! Once: nothing more starts, what runs is ended, and what is known is reported. Twice: the process ends at once; the
//! servers' reapers and the janitor clean up behind it.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGSTOP, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use crate::process_groups;
use crate::service;

/// How long running cases may take to end when they are asked to, before they are killed.
const TERMINATE_WITHIN: Duration = Duration::from_secs(2);

/// The signal that told the run to stop; 0 before.
static TOLD: AtomicI32 = AtomicI32::new(0);

/// The signal that told the run to stop.
pub(crate) fn told_to_stop() -> Option<i32> {
    Some(TOLD.load(Ordering::Acquire)).filter(|signal| *signal != 0)
}

/// The exit code of a run that a signal stopped: what a shell makes of the signal.
pub(crate) fn exit_code(signal: i32) -> u8 {
    128 + u8::try_from(signal).unwrap_or_default()
}

/// Begins to listen for the signals.
pub(crate) fn listen() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGTSTP])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                SIGTSTP => suspend(),
                _ if TOLD.swap(signal, Ordering::AcqRel) == 0 => stop(),
                // Without what was to be done at the exit: whoever does something now may never end.
                _ => signal_hook::low_level::exit(exit_code(signal).into()),
            }
        }
    })?;
    Ok(())
}

/// Has the running cases end. Who waits for them learns of it as of any death.
fn stop() {
    eprintln!("\ndynamo-test: stopping; once more stops at once");
    process_groups::signal(Signal::TERM);
    thread::spawn(move || {
        thread::sleep(TERMINATE_WITHIN);
        process_groups::signal(Signal::KILL);
    });
}

/// Stands still, with all that the run started, until it is told to go on.
fn suspend() {
    let started = Instant::now();
    let servers = service::suspend();
    process_groups::signal(Signal::STOP);
    // To this very thread, which so does not go on before somebody sends SIGCONT; sent to the process, the signal may
    // reach another thread first.
    let _ = signal_hook::low_level::raise(SIGSTOP);
    process_groups::was_suspended(started.elapsed());
    drop(servers);
    process_groups::signal(Signal::CONT);
}
