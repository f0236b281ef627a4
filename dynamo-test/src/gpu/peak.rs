//! How much memory of its GPUs a case uses at most.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Machine;
use super::nvidia::Tree;

/// How often it is measured. What is allocated and freed in between goes unnoticed.
const INTERVAL: Duration = Duration::from_millis(50);

/// Measures while it lives.
pub(crate) struct PeakMeter {
    finish: Sender<()>,
    thread: JoinHandle<Option<u64>>,
}

impl PeakMeter {
    /// Measures what `pid`, and the processes it starts, use of each of these GPUs.
    pub(crate) fn start(machine: &'static Machine, uuids: Vec<String>, pid: u32) -> Self {
        let (finish, finished) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut peak = None;
            loop {
                let ended = finished.recv_timeout(INTERVAL);
                peak = peak.max(used_by(machine, &uuids, pid));
                if !matches!(ended, Err(RecvTimeoutError::Timeout)) {
                    return peak;
                }
            }
        });
        Self { finish, thread }
    }

    /// Measures once more, while the processes are still there. The peak is of one GPU, in MiB; `None` where NVML
    /// knows of no use.
    pub(crate) fn finish(self) -> Option<u64> {
        // A thread that is gone has panicked, and then there is no peak.
        let _ = self.finish.send(());
        self.thread.join().ok().flatten()
    }
}

fn used_by(machine: &Machine, uuids: &[String], pid: u32) -> Option<u64> {
    let mut tree = Tree::default();
    let of_each = uuids
        .iter()
        .filter_map(|uuid| machine.driver.used_by(uuid, |process| tree.descends(process, pid)));
    of_each.max().filter(|used| *used > 0)
}
