//! Servers end with this process, whatever ends it, also where the reaper is killed in the same instant.
//!
//! The kernel sees to it (Linux), once the *thread* has ended that started the server: so one thread, which lasts as
//! long as the process, starts them all. What a server has started itself is on no leash. It inherits [`MARK`], by
//! which whoever sweeps knows it.

use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Sender};
use std::thread;
#[cfg(target_os = "linux")]
use std::time::Duration;

/// The variable that a server, and all that it starts, inherits: the folder of the supervisor that it belongs to.
const MARK: &str = "DYNAMO_TEST_SERVER_OF";

/// How often what is left of a supervisor's servers is looked for, and how long after it was killed.
#[cfg(target_os = "linux")]
const ROUNDS: u32 = 100;
#[cfg(target_os = "linux")]
const PAUSE: Duration = Duration::from_millis(10);

/// A command to start, and who waits for what comes of it.
type Order = (Command, Sender<io::Result<Child>>);

/// Starts a server of the supervisor that has this folder.
pub(super) fn start(mut command: Command, supervisor: &Path) -> io::Result<Child> {
    static STARTER: OnceLock<Sender<Order>> = OnceLock::new();
    command.env(MARK, supervisor);
    attach(&mut command);
    let starter = STARTER.get_or_init(|| {
        let (orders, taken) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, waiting) in taken {
                let _ = waiting.send(command.spawn());
            }
        });
        orders
    });
    let (started, child) = mpsc::channel();
    let gone = |_| io::Error::other("the thread that starts servers is gone");
    starter.send((command, started)).map_err(|_| gone(mpsc::RecvError))?;
    child.recv().map_err(gone)?
}

/// Has the kernel kill what is started when the thread that starts it ends.
#[cfg(target_os = "linux")]
fn attach(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    use rustix::process::{Signal, set_parent_process_death_signal};

    // Where this process ended before it came to this, the child's standard input has ended, too, and it does not
    // become a server.
    // SAFETY: between fork and exec nothing but a system call is made, which allocates nothing and takes no lock.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
}

#[cfg(not(target_os = "linux"))]
fn attach(_command: &mut Command) {}

/// Kills what is left of the servers of a supervisor that is gone.
pub(super) fn kill_all_of(supervisor: &Path) {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::ffi::OsStrExt;

        let mark = [MARK.as_bytes(), b"=", supervisor.as_os_str().as_bytes()].concat();
        // What one of them started meanwhile is found the next time, and so is what takes its time to end.
        for _ in 0..ROUNDS {
            if !kill_each(&mark) {
                break;
            }
            thread::sleep(PAUSE);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = supervisor;
}

/// Kills every process that bears a mark; whether there was any.
#[cfg(target_os = "linux")]
fn kill_each(mark: &[u8]) -> bool {
    use rustix::process::{Pid, Signal, kill_process};

    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let marked = entries.filter_map(|entry| {
        // None is readable of another user's process; that of one that is just ending is empty.
        let environment = std::fs::read(entry.path().join("environ")).ok()?;
        let is_marked = environment.split(|byte| *byte == 0).any(|variable| variable == mark);
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        is_marked.then_some(pid)
    });
    marked.filter(|pid| kill_process(*pid, Signal::KILL).is_ok()).count() > 0
}
