//! What of a GPU is leased, in use and free.

use std::ops::Range;

use super::record::Record;
use crate::gpu::nvidia::{Device, NoUsage, Tree, Usage};

/// The part of a card that others may use, beside what the driver keeps for itself, while it counts as nobody's.
const QUIET_PART: u64 = 16;
/// What they may use of a small card, in MiB: a desktop takes so much of any.
const QUIET_MIB: u64 = 512;

/// A GPU and the leases on it.
pub(crate) struct Leased {
    /// In the order of the PCI bus, as `nvidia-smi` counts.
    pub(crate) index: u32,
    pub(crate) residents: Vec<Record>,
    /// By byte locks.
    pub(super) memory: Vec<Range<u64>>,
    pub(crate) is_reserved: bool,
    /// What is in use, or why that cannot be told; none where it was not asked.
    pub(crate) usage: Option<Result<Usage, NoUsage>>,
}

/// What those use of a GPU who hold no lease on it: the end of no lease gives it back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Others {
    pub(super) used_mib: u64,
    /// What of it the driver keeps for itself.
    reserved_mib: u64,
    /// Whether one of them computes.
    compute: bool,
}

impl Others {
    /// Whether they use so little of it that it counts as nobody's.
    pub(super) fn leave_it_alone(self, device: &Device) -> bool {
        let beside_driver = self.used_mib.saturating_sub(self.reserved_mib);
        !self.compute && beside_driver <= QUIET_MIB.max(device.total_mib / QUIET_PART)
    }
}

pub(super) fn locked(memory: &[Range<u64>]) -> u64 {
    memory.iter().map(|range| range.end - range.start).sum()
}

impl Leased {
    fn known(&self) -> Option<&Usage> {
        self.usage.as_ref()?.as_ref().ok()
    }

    /// What those use who hold no lease, if that is known.
    pub(super) fn others(&self, tree: &mut Tree) -> Option<Others> {
        let usage = self.known()?;
        let by_holders: u64 = self.residents.iter().map(|holder| usage.used_by(holder, tree)).sum();
        let mut is_held = |pid| self.residents.iter().any(|holder| holder.runs(pid, tree));
        Some(Others {
            used_mib: usage.used_mib.saturating_sub(by_holders),
            reserved_mib: usage.reserved_mib,
            compute: usage.processes.iter().any(|(pid, _)| !is_held(*pid)),
        })
    }

    /// What is left beside leases, what their holders use beyond them, and what others use. What is unknown is not
    /// free.
    pub(super) fn free_mib(&self, device: &Device, others: Option<Others>, tree: &mut Tree) -> u64 {
        let (Some(usage), Some(others)) = (self.known(), others) else { return 0 };
        let overdrawn: u64 = self
            .residents
            .iter()
            .map(|holder| {
                let may = holder.vram_mib.unwrap_or(device.total_mib);
                usage.used_by(holder, tree).saturating_sub(may)
            })
            .sum();
        device.total_mib.saturating_sub(locked(&self.memory) + overdrawn + others.used_mib)
    }
}

impl Record {
    /// Whether a process belongs to the case that holds the lease.
    fn runs(&self, pid: u32, tree: &mut Tree) -> bool {
        self.worker.is_some_and(|worker| tree.descends(pid, worker))
    }
}

impl Usage {
    /// What the processes of a lease's holder use.
    fn used_by(&self, holder: &Record, tree: &mut Tree) -> u64 {
        let ours = self.processes.iter().filter(|(pid, _)| holder.runs(*pid, tree));
        ours.filter_map(|(_, used)| *used).sum()
    }
}
