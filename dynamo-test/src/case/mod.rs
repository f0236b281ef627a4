//! Cases: what `#[dynamo_test]` registers, and the registry of them all.

mod body;
mod definition;
mod early_end;
pub(crate) mod policy;
mod registry;
mod section;

pub use body::{AsyncFunction, Body, IntoTestResult, Prepared, SyncFunction};
pub(crate) use body::{BoxFuture, TestResult};
pub use definition::{Definition, Quarantine, Runtime, Settings, Xfail};
pub(crate) use early_end::EarlyEnd;
pub(crate) use registry::Registry;
pub use registry::Suite;
pub use section::Section;

use crate::fixture::Needs;
use crate::gpu;
use crate::marker::{Category, Lifecycle, Marker, builtin, expression::Marked};

/// One registered test, with the markers of its suites.
pub(crate) struct Case {
    /// [`Definition::name`] found once: sorting alone asks a dozen times for each case.
    name: &'static str,
    pub(crate) definition: &'static Definition,
    /// Canonical, each once; the type first where the case names none.
    pub(crate) markers: Vec<Marker>,
    pub(crate) needs: Needs,
    /// Its place among the binary's definitions, by which a worker finds it again.
    pub(crate) index: usize,
}

impl Case {
    /// The name that libtest would give it: its path without the crate.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn of_category(&self, category: Category) -> impl Iterator<Item = &Marker> {
        self.markers.iter().filter(move |marker| marker.category == category)
    }

    /// The first lifecycle that runs it; `None` for a unit case without a lifecycle marker, which all run.
    pub(crate) fn first_lifecycle(&self) -> Option<Lifecycle> {
        self.of_category(Category::Lifecycle).filter_map(Lifecycle::of).min()
    }

    /// Whether it runs only when asked for.
    pub(crate) fn waits_to_be_asked(&self) -> bool {
        [builtin::benchmark, builtin::stress].iter().any(|kind| self.markers.contains(kind))
    }

    /// Whether it needs a process that was made for it.
    pub(crate) fn needs_own_process(&self) -> bool {
        self.definition.settings.timeout_ms.is_some() || self.needs_own_environment()
    }

    /// Whether it needs a process that was started with its environment, or none shares with it.
    pub(crate) fn needs_own_environment(&self) -> bool {
        let definition = self.definition;
        definition.settings.isolated
            || !definition.settings.env.is_empty()
            || definition.settings.gpus > 0
            || !self.needs.services().is_empty()
            || self.needs.needs_own_process()
    }

    /// Whether it may have to wait for others to end before it can start.
    pub(crate) fn waits_for_others(&self) -> bool {
        self.definition.settings.gpus > 0 || self.definition.settings.serial.is_some()
    }

    /// The GPUs it needs; `h100` says something of each of them.
    pub(crate) fn gpu_need(&self) -> gpu::Need {
        let definition = self.definition;
        let marked = self.markers.contains(&builtin::h100).then_some("H100");
        gpu::Need {
            count: definition.settings.gpus,
            vram_mib: definition.settings.vram_mib,
            compute_capability: definition.settings.compute_capability,
            models: definition.settings.gpu_model.into_iter().chain(marked).collect(),
        }
    }
}

impl Marked for Case {
    fn bears(&self, marker: &str) -> bool {
        self.markers.iter().any(|mine| mine.name == marker)
    }

    fn gpus(&self) -> u32 {
        self.definition.settings.gpus
    }
}
