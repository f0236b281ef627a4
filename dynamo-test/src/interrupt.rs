//! What a run does when it is told to stop (Ctrl-C, SIGTERM, SIGHUP) or to pause (Ctrl-Z).
//!
//! Once: nothing more starts, what runs is ended, and what is known is reported. Twice: the process ends at once; the
//! servers' reapers, the janitor and the watchdogs clean up behind it.

use std::io::{self, Write};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libc::{SIGHUP, SIGINT, SIGSTOP, SIGTERM, SIGTSTP};
use rustix::process::Signal;

use crate::aside::aside;
use crate::process;
use crate::process_groups;
use crate::service;
use crate::signals::{self, Received, Signals};

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

/// Begins to listen for the signals. Where the run is of one case, which is `alone` in this process, a signal that the
/// case handles is not the run's.
pub(crate) fn listen(alone: bool) -> io::Result<()> {
    // Who starts a run with nohup wants it to outlive the terminal.
    let heeded = |signal: &i32| *signal != SIGHUP || !signals::are_ignored(SIGHUP);
    let heeded: Vec<i32> = [SIGINT, SIGTERM, SIGHUP, SIGTSTP].into_iter().filter(heeded).collect();
    let mut signals = Signals::listen(&heeded)?;
    aside(move || {
        while let Ok(signal) = signals.next() {
            heed(&signal, alone);
        }
    })
}

fn heed(signal: &Received, alone: bool) {
    let number = signal.number;
    let is_handled_by_case = !signals::come_here_first(number);
    if is_handled_by_case && (alone || signal.is_from_here()) {
        return;
    }
    match number {
        SIGTSTP => suspend(),
        // A case does to itself what it would do to any process that runs it.
        _ if signal.is_from_here() => signals::undergo(number),
        _ if TOLD.swap(number, Ordering::AcqRel) == 0 => stop(),
        // Without what was to be done at the exit: whoever does something now may never end.
        _ => signals::exit_at_once(exit_code(number)),
    }
}

/// Has the running cases end. Who waits for them learns of it as of any death.
fn stop() {
    process_groups::signal(Signal::TERM);
    let _ = aside(|| {
        thread::sleep(TERMINATE_WITHIN);
        process_groups::signal(Signal::KILL);
    });
    // A terminal that has hung up takes no words.
    let _ = writeln!(io::stderr(), "\ndynamo-test: stopping; once more stops at once");
}

/// Stands still, with all that the run started, until it is told to go on.
fn suspend() {
    let started = Instant::now();
    let servers = service::suspend();
    process_groups::signal(Signal::STOP);
    let processes = process::suspend(&process_groups::cases());
    // To this very thread, which so does not go on before somebody sends SIGCONT; sent to the process, the signal may
    // reach another thread first.
    signals::raise(SIGSTOP);
    process_groups::was_suspended(started.elapsed());
    drop(servers);
    drop(processes);
    process_groups::signal(Signal::CONT);
}
