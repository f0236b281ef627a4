//! The processes of a run's cases stand still when the run does: each leads a group of its own, which no signal to the
//! run or its workers reaches.

use rustix::process::{Pid, Signal, kill_process};

use super::tree;

/// Processes that stand still, until this is dropped.
pub(crate) struct Suspension(Vec<Pid>);

/// Has the processes stand still that cases of these processes started, with all that they started (Linux). Those that
/// a case has stopped itself are left alone.
pub(crate) fn suspend(cases: &[u32]) -> Suspension {
    let mut stopped: Vec<Pid> = Vec::new();
    loop {
        let known = stopped.len();
        for pid in tree::of_cases(cases).filter(|pid| tree::goes_on(*pid)) {
            if !stopped.contains(&pid) {
                let _ = kill_process(pid, Signal::STOP);
                stopped.push(pid);
            }
        }
        // What they started meanwhile is found the next time.
        if stopped.len() == known {
            return Suspension(stopped);
        }
    }
}

impl Drop for Suspension {
    fn drop(&mut self) {
        for pid in &self.0 {
            // Somebody may have killed it; its number is nobody else's before its parent, which stood still, too, has
            // waited for it.
            let _ = kill_process(*pid, Signal::CONT);
        }
    }
}
