//! Where the threads of this process stand: shown of a case that ran out of time.
//!
//! Each thread is sent a signal whose handler prints its backtrace, one after the other. That is more than a signal
//! handler may do (it allocates), and so a thread that is interrupted while it allocates may never answer; the next
//! one is asked after a while all the same. The process is about to be killed, so the rest does not matter.

use std::backtrace::Backtrace;
use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::aside::HARNESS_THREAD;

/// How long a thread may take to print where it stands; the first one reads the debug information.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How many threads have answered.
static ANSWERED: AtomicU32 = AtomicU32::new(0);

/// Prints the backtraces of all threads but the calling one to standard error.
#[cfg(target_os = "linux")]
pub(super) fn print() {
    let handler = print_own as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler is a function of the right signature that lives as long as the process.
    if unsafe { libc::signal(libc::SIGURG, handler) } == libc::SIG_ERR {
        return;
    }
    // SAFETY: these only ask the kernel for numbers.
    let (process, own) = unsafe { (libc::getpid(), libc::gettid()) };
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let ids = threads.filter_map(|entry| entry.file_name().to_str()?.parse::<libc::pid_t>().ok());
    // The process's first thread never runs a case, it waits for one.
    for thread in ids.filter(|thread| ![own, process].contains(thread)) {
        let name = fs::read_to_string(format!("/proc/self/task/{thread}/comm")).unwrap_or_default();
        if name.trim() == HARNESS_THREAD {
            continue;
        }
        // A closed standard error has no reader either.
        let _ = writeln!(std::io::stderr(), "thread {} ({thread}) stands here:", name.trim());
        let before = ANSWERED.load(Ordering::Acquire);
        // SAFETY: the signal has a handler, and goes to a thread of this process or, if that has ended, to none.
        if unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGURG) } != 0 {
            continue;
        }
        let asked = Instant::now();
        while ANSWERED.load(Ordering::Acquire) == before && asked.elapsed() < ANSWER_WITHIN {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Other systems have no way to name a thread from outside the thread.
#[cfg(not(target_os = "linux"))]
pub(super) fn print() {}

/// The signal handler: prints the backtrace of the thread it runs on.
#[cfg(target_os = "linux")]
extern "C" fn print_own(_signal: libc::c_int) {
    let shown = shorten(&Backtrace::force_capture().to_string());
    let _ = writeln!(std::io::stderr(), "{shown}");
    ANSWERED.fetch_add(1, Ordering::Release);
}

/// Where the harness's own frames begin, which are the same under every case.
const HARNESS: [&str; 4] =
    ["dynamo_test::exec::", "dynamo_test::case::", "__DYNAMO_TEST", "__rust_begin_short_backtrace"];

/// The frames between the signal, which comes first, and the harness.
fn shorten(backtrace: &str) -> String {
    let lines: Vec<&str> = backtrace.lines().collect();
    let handler = lines.iter().rposition(|line| line.contains("stacks::print_own"));
    let is_frame =
        |line: &&&str| line.trim_start().starts_with(|first: char| first.is_ascii_digit());
    let interrupted = lines[handler.map_or(0, |position| position + 1)..]
        .iter()
        .skip_while(|line| !is_frame(line))
        .skip_while(|line| line.ends_with("<unknown>") || line.ends_with("__restore_rt"));
    let own = interrupted.take_while(|line| !HARNESS.iter().any(|name| line.contains(name)));
    own.copied().collect::<Vec<_>>().join("\n")
}
