//! What a case with GPUs gets: a turn, and somebody who watches how much memory it uses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::GpuUse;
use super::slots::Slots;
use super::turns::{Turn, Turns};
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
    /// So many cases [`enter`](Self::enter) before one starts, so that the order is the scheduler's. Those of serial
    /// groups do not count: they come one after the other.
    pub(super) fn new(
        slots: Slots,
        options: GpuOptions,
        run: String,
        cases: usize,
        durations: PathBuf,
    ) -> Self {
        Self { turns: Turns::new(slots, options, run, cases), durations: Durations::of(durations) }
    }

    pub(super) fn expected_seconds(&self, case: &Case) -> f64 {
        self.durations.expected(case)
    }

    /// Waits for the GPUs of a case, and for its slot. The error says why it will never have them.
    pub(super) fn enter(&self, case: &Case) -> Result<InUse, String> {
        let expected = self.durations.expected(case);
        let is_awaited = case.definition.serial.is_none();
        let turn = self.turns.take(case.name(), case.gpu_need(), expected, is_awaited)?;
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
