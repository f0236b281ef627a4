use std::thread;
use std::time::Duration;

use super::super::ancestry::{self, Process};

/// How often is looked where the system does not tell.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Waits until a process has ended.
pub(super) fn wait_for_end(root: &Process) {
    let runs =
        || ancestry::process(root.pid).is_some_and(|process| process.started == root.started);
    #[cfg(target_os = "linux")]
    if wait_with_pidfd(root, runs) {
        return;
    }
    while runs() {
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether it could be waited for so: an old kernel knows no pidfd, a strict sandbox may refuse one.
#[cfg(target_os = "linux")]
fn wait_with_pidfd(root: &Process, runs: impl Fn() -> bool) -> bool {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    let pid = i32::try_from(root.pid).ok().and_then(Pid::from_raw);
    let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let Some(pidfd) = pidfd else { return false };
    // Only now is it sure whose it is.
    if runs() {
        let mut exit = [PollFd::new(&pidfd, PollFlags::IN)];
        return rustix::io::retry_on_intr(|| poll(&mut exit, None)).is_ok();
    }
    true
}
