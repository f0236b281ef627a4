//! What a case leaves in its process: a worker that bears traces of one case is not used for another.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, umask, waitid};

use super::variables::Places;

/// How long what was ended may take to be gone: a thread that was joined, a child that was killed on drop.
const GONE_WITHIN: Duration = Duration::from_millis(100);

/// The state of a worker before its cases. One that bears traces of a case gets no other, so it stays the same.
pub(super) struct Before {
    environment: Vec<(OsString, OsString)>,
    /// Where the variables lie in memory.
    places: Option<Places>,
    folder: Option<PathBuf>,
    umask: u32,
    threads: Threads,
    /// How many there are; none where the system does not tell.
    count: Option<u64>,
    /// Which they are.
    thread_ids: Vec<u32>,
    /// The child processes of a process that has some of its own; a worker has none.
    own_children: Option<Vec<u32>>,
}

impl Before {
    /// The state now, of a worker whose threads are all there.
    pub(super) fn observe() -> Self {
        let threads = Threads::of_this_process();
        Self {
            environment: std::env::vars_os().collect(),
            places: Places::now(),
            folder: std::env::current_dir().ok(),
            umask: current_umask(),
            count: threads.count(),
            thread_ids: numbers("/proc/self/task").collect(),
            threads,
            own_children: None,
        }
    }

    /// The state now, of the controller, which has servers to look after, and threads that come and go.
    pub(super) fn observe_controller() -> Self {
        Self { own_children: Some(children().collect()), ..Self::observe() }
    }

    /// Names what differs now, and ends the child processes that are still there.
    pub(super) fn traces(&self) -> Vec<String> {
        self.traces_beside(0)
    }

    /// The same where so many threads are there that were not before, and no trace: this one, if it is 1.
    pub(super) fn traces_beside(&self, threads: u64) -> Vec<String> {
        let children = match &self.own_children {
            None => end_children(),
            Some(own) => end_those_that(|child| !own.contains(child)),
        };
        let threads_left = self.threads_left(threads);
        let mut traces = Vec::new();
        // Only where no thread of the case is left does nobody change the environment meanwhile.
        let is_alone = self.count.is_some() && threads_left.is_none();
        let places = if is_alone { Places::now() } else { None };
        let is_as_before = places.is_some() && places == self.places;
        if !is_as_before && !std::env::vars_os().eq(self.environment.iter().cloned()) {
            let names = self.changed_variables().join(OsStr::new(", "));
            traces.push(format!("changed the environment: {}", names.display()));
        }
        let folder = std::env::current_dir().ok();
        if folder != self.folder {
            let folder = folder.unwrap_or_default();
            traces.push(format!("changed the current directory to {}", folder.display()));
        }
        let umask = current_umask();
        if umask != self.umask {
            traces.push(format!("changed the umask to {umask:03o}"));
        }
        traces.extend(named_children(&children));
        // Of the controller's it is only waited for, so that they may still panic in time.
        if let (Some(left), None) = (threads_left, &self.own_children) {
            traces.push(format!("left threads running: {left}"));
        }
        traces
    }

    /// Undoes what `traces` has named and can be undone.
    ///
    /// # Safety
    ///
    /// No other thread may read or write the environment meanwhile.
    pub(super) unsafe fn put_back(&self) {
        let before: BTreeMap<_, _> =
            self.environment.iter().map(|(name, value)| (name, value)).collect();
        for name in self.changed_variables() {
            match before.get(&name) {
                // SAFETY: the caller's promise.
                Some(value) => unsafe { std::env::set_var(&name, value) },
                // SAFETY: the caller's promise.
                None => unsafe { std::env::remove_var(&name) },
            }
        }
        if let Some(folder) = &self.folder {
            // It may be gone, and then there is no way back.
            let _ = std::env::set_current_dir(folder);
        }
        umask(Mode::from_raw_mode(self.umask));
    }

    /// The names of the variables that were set, changed or removed.
    fn changed_variables(&self) -> Vec<OsString> {
        let before: BTreeMap<_, _> = self.environment.iter().cloned().collect();
        let now: BTreeMap<_, _> = std::env::vars_os().collect();
        let names: BTreeSet<_> = before.keys().chain(now.keys()).collect();
        let changed = names.into_iter().filter(|name| before.get(*name) != now.get(*name));
        changed.cloned().collect()
    }

    /// The names of threads that the case started and did not join.
    fn threads_left(&self, beside: u64) -> Option<String> {
        let most = self.count? + beside;
        let gone = wait_until(|| self.threads.count().is_none_or(|now| now <= most));
        (!gone).then(|| self.names_of_others())
    }

    /// The names of the threads that were not there before, this one left out.
    fn names_of_others(&self) -> String {
        let own = fs::read_link("/proc/thread-self").unwrap_or_default();
        let own = own.file_name().and_then(|name| name.to_str()?.parse().ok());
        let mut others: Vec<u32> = numbers("/proc/self/task")
            .filter(|thread| !self.thread_ids.contains(thread) && Some(*thread) != own)
            .collect();
        others.sort_unstable();
        let names: Vec<String> =
            others.iter().map(|thread| name_of(&format!("self/task/{thread}"))).collect();
        names.join(", ")
    }
}

/// What is said of child processes that had to be ended.
pub(super) fn named_children(ended: &[String]) -> Vec<String> {
    let said = format!("left child processes, which were killed: {}", ended.join(", "));
    if ended.is_empty() { Vec::new() } else { vec![said] }
}

/// Reading it takes setting it.
fn current_umask() -> u32 {
    let current = umask(Mode::empty());
    umask(current);
    current.bits()
}

/// Waits until something is gone; whether it was in time.
fn wait_until(gone: impl Fn() -> bool) -> bool {
    if gone() {
        return true;
    }
    let started = Instant::now();
    while !gone() {
        if started.elapsed() > GONE_WITHIN {
            return false;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    true
}

/// The threads of this process, as the system shows them: a folder, held open, because to find it takes longer than to
/// ask.
struct Threads(Option<OwnedFd>);

impl Threads {
    fn of_this_process() -> Self {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self(rustix::fs::open("/proc/self/task", flags, Mode::empty()).ok())
    }

    /// How many there are, where the system tells.
    fn count(&self) -> Option<u64> {
        // A folder has a link from each folder in it, beside its own two.
        let links = rustix::fs::fstat(self.0.as_ref()?).ok()?.st_nlink;
        Some((links as u64).saturating_sub(2))
    }
}

/// Kills the processes that the case started, and those that they started, and names those that still ran.
pub(super) fn end_children() -> Vec<String> {
    let mut ended = Vec::new();
    while !wait_until(no_child_is_left) {
        let running: Vec<u32> = children().collect();
        if running.is_empty() {
            // The system does not tell which they are.
            ended.push("unknown".into());
            break;
        }
        // What they leave behind becomes this process's child, and falls to the next round.
        ended.extend(end_those(running.into_iter()));
    }
    ended
}

/// Kills the child processes of which this is true, and those that they leave behind, and names those that still ran.
pub(super) fn end_those_that(shall_end: impl Fn(&u32) -> bool) -> Vec<String> {
    let mut ended = Vec::new();
    loop {
        let mut children = children().filter(|child| shall_end(child)).peekable();
        if children.peek().is_none() {
            return ended;
        }
        ended.extend(end_those(children));
    }
}

/// Kills these child processes, and names those that still ran.
fn end_those(children: impl Iterator<Item = u32>) -> Vec<String> {
    let mut ended = Vec::new();
    for child in children {
        let Some(pid) = i32::try_from(child).ok().and_then(Pid::from_raw) else { continue };
        let over = || {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            // An error says that somebody else has waited for it.
            !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
        };
        if !wait_until(over) {
            ended.push(format!("{} (pid {child})", name_of(&child.to_string())));
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
        }
    }
    ended
}

/// Waits for those children that have ended by themselves; whether there are no others.
fn no_child_is_left() -> bool {
    loop {
        match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            // It was over, only not waited for.
            Ok(Some(_)) => {}
            Ok(None) => return false,
            // There is no child at all.
            Err(_) => return true,
        }
    }
}

/// Makes this process the parent of those whose parent ends, so that it finds them.
pub(super) fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    // Without it a daemon escapes notice, which is all.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// The children of this process's threads.
fn children() -> impl Iterator<Item = u32> {
    numbers("/proc/self/task").flat_map(|thread| {
        let children = fs::read_to_string(format!("/proc/self/task/{thread}/children"));
        let pids: Vec<u32> =
            children.unwrap_or_default().split_whitespace().flat_map(str::parse).collect();
        pids
    })
}

/// The entries of a folder that are numbers.
fn numbers(folder: &str) -> impl Iterator<Item = u32> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// The name of a process or thread, by its path under `/proc`.
fn name_of(path: &str) -> String {
    let name = fs::read_to_string(format!("/proc/{path}/comm")).unwrap_or_default();
    name.trim().to_owned()
}
