use std::process::{Child, ExitStatus};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::super::log::Log;
use super::super::reaper::Task;

/// How long a server that has ended may take to be done with its log: a process that it left may hold it open.
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(100);

/// One process of the server's; a restart begins another.
pub(super) struct Life {
    state: Mutex<LifeState>,
    end: Condvar,
}

struct LifeState {
    /// The process, and the group that it leads, until it is waited for: then the number may mean somebody else.
    leader: Option<Pid>,
    ended: Option<String>,
}

impl Life {
    /// That of the process which leads this group.
    pub(super) fn of(leader: Pid) -> Self {
        Self {
            state: Mutex::new(LifeState { leader: Some(leader), ended: None }),
            end: Condvar::new(),
        }
    }

    /// How the process ended; none if it has not within this time.
    pub(super) fn ended(&self, within: Duration) -> Option<String> {
        let waited = self.end.wait_timeout_while(self.state(), within, |life| life.ended.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.ended.clone()
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(leader) = self.state().leader {
            // All of it may be ending just now.
            let _ = kill_process_group(leader, signal);
        }
    }

    pub(super) fn stand_still(&self, still: bool) {
        self.signal(if still { Signal::STOP } else { Signal::CONT });
        let Some(leader) = self.state().leader.filter(|_| still) else { return };
        // Once it does, it answers nothing more.
        let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(leader), stopped));
    }

    /// Waits for the process, and for what it left in its group.
    pub(super) fn follow(&self, mut child: Child, task: Task, log: &Log) {
        let leader = Pid::from_child(&child);
        let exited = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = rustix::io::retry_on_intr(|| waitid(WaitId::Pid(leader), exited));
        // A server that is a script may have left the real one. Until its leader is waited for, the group is its own.
        let _ = kill_process_group(leader, Signal::KILL);
        self.state().leader = None;
        drop(task);
        let status = child.wait();
        log.wait_for_end(LAST_WORDS_WITHIN);
        let status = status.map_or_else(|error| error.to_string(), describe);
        self.state().ended = Some(status);
        self.end.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, LifeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn describe(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        // The signal's name, from the standard library.
        None => status.to_string(),
    }
}
