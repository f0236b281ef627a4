//! No case has GPUs: the attribute refuses them, or the machine has none that can be leased.

use std::sync::Arc;

use super::GpuUse;
use super::board::Entry;
use super::serial::Groups;
use super::slots::Slots;
use crate::case::Case;
use crate::gpu::{GpuGrant, GpuOptions, lack};

/// The GPUs, as a run's cases get them.
pub(super) struct Gpus;

/// GPUs that a case uses.
pub(super) enum InUse {}

impl Gpus {
    pub(super) fn new(_: Slots, _: GpuOptions, _: String, _: Arc<Groups>, _: usize) -> Self {
        Self
    }

    pub(super) fn enter(&self, case: &Case, _: f64, _: &Entry) -> Result<InUse, String> {
        Err(lack(&case.gpu_need()).unwrap_or_default())
    }

    pub(super) fn leave(&self, in_use: InUse) {
        match in_use {}
    }

    pub(super) fn slot_is_free(&self) {}

    pub(super) fn group_is_free(&self) {}
}

impl InUse {
    pub(super) fn grants(&self) -> Vec<GpuGrant> {
        match *self {}
    }

    pub(super) fn started(&mut self, _: u32) {
        match *self {}
    }

    pub(super) fn answered(&mut self) {
        match *self {}
    }

    pub(super) fn report(&self) -> GpuUse {
        match *self {}
    }
}
