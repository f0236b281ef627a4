//! A process and all that it started, also what has left its process group or lost its parent.
//!
//! The group takes one signal. What left it is found by the kernel's list of children (Linux): this process adopts
//! orphans, and tells its own from others' by a variable that every process of the tree inherited.

use std::fs;

use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

/// The variable that marks the processes of a tree.
pub(super) const MARK: &str = "DYNAMO_TEST_PROCESS";

/// Makes this process the parent of those whose parent ends, so that it finds them. A worker does so anyway.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    // Without it what has left its group and lost its parent is not found, which is all.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Sends a signal to the group that `leader` leads, and to those of its tree that have left it. The leader must not
/// have been waited for: its number means its group until then.
pub(super) fn signal(leader: Pid, mark: &str, signal: Signal) {
    // It may be empty already.
    let _ = kill_process_group(leader, signal);
    for member in members(leader, mark) {
        if getpgid(Some(member)) != Ok(leader) {
            let _ = kill_process(member, signal);
        }
    }
}

/// The running processes that cases of these processes started, with all that they started.
pub(super) fn of_cases(processes: &[u32]) -> impl Iterator<Item = Pid> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let mark = mark_of(pid.cast_unsigned())?;
        // A mark begins with the process of the case.
        let (case, _) = mark.split_once('-')?;
        processes.contains(&case.parse().ok()?).then_some(pid)
    });
    processes.filter_map(Pid::from_raw)
}

/// The running processes of a tree but its root.
pub(super) fn members(root: Pid, mark: &str) -> Vec<Pid> {
    let own = std::process::id();
    let is_marked = |pid: u32| mark_of(pid).as_deref() == Some(mark);
    let mut found: Vec<u32> = children(pid_number(root)).collect();
    found.extend(children(own).filter(|child| *child != pid_number(root) && is_marked(*child)));
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        found.extend(children(parent));
    }
    found.into_iter().filter(|pid| runs(*pid)).filter_map(|pid| Pid::from_raw(pid as i32)).collect()
}

fn pid_number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().cast_unsigned()
}

/// The children of a process's threads.
fn children(parent: u32) -> impl Iterator<Item = u32> {
    let threads = fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    threads.flat_map(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let pids: Vec<u32> = children.split_whitespace().flat_map(str::parse).collect();
        pids
    })
}

/// The mark that a process was started with.
fn mark_of(pid: u32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let mut variables = environment.split(|byte| *byte == 0);
    let mark = variables.find_map(|variable| {
        variable.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    });
    mark.map(|mark| String::from_utf8_lossy(mark).into_owned())
}

/// Whether a process has not ended; one that nobody has waited for yet has.
fn runs(pid: u32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Whether a process runs, and nobody has stopped it.
pub(super) fn goes_on(pid: Pid) -> bool {
    let pid = pid_number(pid);
    runs(pid) && state(pid) != Some('T')
}

/// What `/proc` says of how a process is.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
    stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
}
