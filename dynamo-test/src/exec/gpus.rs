//! What a case with GPUs gets: a turn, and somebody who watches how much memory it uses.

use std::sync::Arc;

use super::GpuUse;
use super::board::Entry;
use super::serial::Groups;
use super::slots::Slots;
use super::turns::{Request, Turn, Turns};
use crate::case::Case;
use crate::gpu::{self, GpuGrant, GpuOptions, PeakMeter};

/// The GPUs, as a run's cases get them.
pub(super) struct Gpus(Arc<Turns>);

/// GPUs that a case uses, until this is dropped.
pub(super) struct InUse {
    turn: Turn,
    vram_mib: Option<u64>,
    meter: Option<PeakMeter>,
    peak_mib: Option<u64>,
}

impl Gpus {
    /// So many cases [`enter`](Self::enter) before one starts, so that the order is the scheduler's.
    pub(super) fn new(
        slots: Slots,
        options: GpuOptions,
        run: String,
        groups: Arc<Groups>,
        cases: usize,
    ) -> Self {
        Self(Turns::new(slots, options, run, groups, cases))
    }

    /// Waits for the GPUs of a case, for its slot, and for its turn in its serial group. The error says why it will
    /// never have them.
    pub(super) fn enter(
        &self,
        case: &Case,
        expected_seconds: f64,
        entry: &Entry,
    ) -> Result<InUse, String> {
        let request = Request {
            case: case.name(),
            need: case.gpu_need(),
            expected_seconds,
            group: case.definition.settings.serial,
        };
        let turn = self.0.take(request, entry)?;
        let vram_mib = case.definition.settings.vram_mib;
        Ok(InUse { turn, vram_mib, meter: None, peak_mib: None })
    }

    /// Gives GPUs and slot to those that wait.
    pub(super) fn leave(&self, in_use: InUse) {
        drop(in_use);
        self.0.look_again();
    }

    /// Says that a case without GPUs has given its slot back.
    pub(super) fn slot_is_free(&self) {
        self.0.slot_is_free();
    }

    /// Says that a case without GPUs is no longer in its serial group.
    pub(super) fn group_is_free(&self) {
        self.0.look_again();
    }
}

impl InUse {
    pub(super) fn grants(&self) -> Vec<GpuGrant> {
        self.turn.lease.grants()
    }

    /// The case runs in this process from now on.
    pub(super) fn started(&mut self, pid: u32) {
        self.turn.lease.used_by(pid);
        if let Ok(machine) = gpu::machine() {
            let uuids = self.grants().into_iter().map(|grant| grant.uuid).collect();
            self.meter = Some(PeakMeter::start(machine, uuids, pid));
        }
    }

    /// The case has ended, and its process is still there.
    pub(super) fn answered(&mut self) {
        self.peak_mib = self.meter.take().and_then(PeakMeter::finish);
    }

    /// What a report tells of it.
    pub(super) fn report(&self) -> GpuUse {
        GpuUse {
            devices: self.grants().into_iter().map(|grant| grant.uuid).collect(),
            vram_mib: self.vram_mib,
            peak_mib: self.peak_mib,
        }
    }
}
