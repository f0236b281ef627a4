//! What a case with GPUs gets: a turn, and somebody who watches how much memory it uses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::GpuUse;
use super::board::Entry;
use super::serial::Groups;
use super::slots::Slots;
use super::turns::{Request, Turn, Turns};
use crate::case::Case;
use crate::gpu::{self, GpuGrant, GpuOptions, PeakMeter};
use crate::schedule::Durations;

/// The GPUs, as a run's cases get them.
pub(super) struct Gpus {
    turns: Arc<Turns>,
    durations: Durations,
}

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
        durations: PathBuf,
    ) -> Self {
        let turns = Turns::new(slots, options, run, groups, cases);
        Self { turns, durations: Durations::of(durations) }
    }

    pub(super) fn expected_seconds(&self, case: &Case) -> f64 {
        self.durations.expected(case)
    }

    /// Waits for the GPUs of a case, for its slot, and for its turn in its serial group. The error says why it will
    /// never have them.
    pub(super) fn enter(&self, case: &Case, entry: &Entry) -> Result<InUse, String> {
        let request = Request {
            case: case.name(),
            need: case.gpu_need(),
            expected_seconds: self.durations.expected(case),
            group: case.definition.serial,
        };
        let turn = self.turns.take(request, entry)?;
        let vram_mib = case.definition.vram_mib;
        Ok(InUse { turn, vram_mib, meter: None, peak_mib: None })
    }

    /// Gives GPUs and slot to those that wait.
    pub(super) fn leave(&self, case: &Case, in_use: InUse, took: Option<Duration>) {
        if let Some(took) = took {
            self.durations.note(case, took);
        }
        drop(in_use);
        self.turns.look_again();
    }

    /// Says that a case without GPUs has given its slot back.
    pub(super) fn slot_is_free(&self) {
        self.turns.slot_is_free();
    }

    /// Says that a case without GPUs is no longer in its serial group.
    pub(super) fn group_is_free(&self) {
        self.turns.look_again();
    }

    /// The end of the run.
    pub(super) fn end(&self) {
        self.durations.save();
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
