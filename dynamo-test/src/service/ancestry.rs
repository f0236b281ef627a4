//! A process's ancestors, and when each was started: the pid of one that has ended may be given to another.

use serde::{Deserialize, Serialize};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// When it was started, by a clock of the system's own; tells it from others of its pid.
    pub(super) started: u64,
    pub(super) name: String,
}

/// The ancestors of a process, its parent first.
pub(super) fn of(pid: u32) -> impl Iterator<Item = Process> {
    let mut next = read(pid).map(|(_, parent)| parent);
    std::iter::from_fn(move || {
        let (process, parent) = read(next?)?;
        // A process that is its own parent's parent would be none.
        next = Some(parent).filter(|parent| *parent > 0);
        Some(process)
    })
}

/// What is known of a process that runs.
pub(super) fn process(pid: u32) -> Option<Process> {
    read(pid).map(|(process, _)| process)
}

/// A process and its parent's pid.
#[cfg(target_os = "linux")]
fn read(pid: u32) -> Option<(Process, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `pid (name) state parent …`, the start time 20 words after the name; the name may hold anything.
    let (head, rest) = stat.rsplit_once(") ")?;
    let (_, name) = head.split_once(" (")?;
    let words: Vec<&str> = rest.split(' ').collect();
    // It has ended, but its parent has not been told: nobody else need wait for that.
    if matches!(words.first(), Some(&("Z" | "X"))) {
        return None;
    }
    let process = Process { pid, started: words.get(19)?.parse().ok()?, name: name.into() };
    Some((process, words.get(1)?.parse().ok()?))
}

/// A process and its parent's pid.
#[cfg(not(target_os = "linux"))]
fn read(pid: u32) -> Option<(Process, u32)> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::process::Command;

    let output = Command::new("ps")
        .args(["-o", "ppid=,lstart=,comm=", "-p", &pid.to_string()])
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    // `parent Thu Nov 26 11:17:30 2026 /path/to/name`
    let line = String::from_utf8(output.stdout).ok()?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut started = DefaultHasher::new();
    words.get(1..6)?.hash(&mut started);
    let name = words.get(6..)?.join(" ");
    let name = name.rsplit('/').next().unwrap_or_default().to_owned();
    Some((Process { pid, started: started.finish(), name }, words[0].parse().ok()?))
}
