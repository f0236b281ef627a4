//! What a case holds of the GPUs, or keeps free: the kernel drops the locks with their files.

use std::fs::File;

use super::range;
use super::record::Record;
use crate::gpu::GpuGrant;

/// The right to use GPUs, until it is dropped.
pub(crate) struct Lease {
    pub(super) parts: Vec<Part>,
    pub(super) record: Record,
}

/// The part of a lease that is on one GPU.
pub(super) struct Part {
    pub(super) file: File,
    /// Which of its residents the lease is.
    pub(super) place: u64,
    pub(super) grant: GpuGrant,
}

/// Keeps cards free of other cases, until it is dropped.
pub(crate) struct Reservation {
    pub(super) files: Vec<File>,
    /// Positions among the machine's devices.
    pub(crate) cards: Vec<usize>,
}

impl Lease {
    /// The GPUs, as the case is told of them.
    pub(crate) fn grants(&self) -> Vec<GpuGrant> {
        self.parts.iter().map(|part| part.grant.clone()).collect()
    }

    /// Says which process uses it, so that its memory is not taken for that of others.
    pub(crate) fn used_by(&mut self, pid: u32) {
        self.record.worker = Some(pid);
        for part in &self.parts {
            // A failure makes the memory count twice, which is safe.
            let _ = self.record.write(&part.file, part.place);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // All of them, then the closing, which wakes those that wait.
        self.parts.iter().for_each(|part| range::unlock_all(&part.file));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.files.iter().for_each(range::unlock_all);
    }
}
