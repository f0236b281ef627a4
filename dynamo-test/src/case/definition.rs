use super::Body;
use crate::fixture::Needs;
use crate::marker::Marker;

/// What the attribute writes down of a test; the macro's output, no API.
///
/// It is small, because a process that starts has to put the addresses into those of all cases.
pub struct Definition {
    /// `crate::module::function`.
    pub path: &'static str,
    /// Where it stands: `file!()`.
    pub file: &'static str,
    /// `line!()` of its attribute.
    pub line: u32,
    /// Those that the attribute names; suites may add to them.
    pub markers: &'static [Marker],
    /// The rest.
    pub settings: &'static Settings,
    /// What is called.
    pub body: Body,
}

impl Definition {
    /// The name that libtest would give it: the path without the crate.
    pub(crate) fn name(&self) -> &'static str {
        self.path.split_once("::").map_or(self.path, |(_crate, name)| name)
    }
}

/// What most cases leave as it is.
pub struct Settings {
    /// How many GPUs it needs.
    pub gpus: u32,
    /// Per GPU.
    pub vram_mib: Option<u64>,
    /// The least compute capability, major and minor.
    pub compute_capability: Option<(u32, u32)>,
    /// What the name of each GPU must contain.
    pub gpu_model: Option<&'static str>,
    /// How long it may take.
    pub timeout_ms: Option<u64>,
    /// Why it does not run.
    pub skip: Option<&'static str>,
    /// That it is expected to fail.
    pub xfail: Option<Xfail>,
    /// That its failure does not count for a while.
    pub quarantine: Option<Quarantine>,
    /// Whether it needs a process of its own.
    pub isolated: bool,
    /// Whether it needs a thread of its own, which bears its name, whatever it is.
    pub own_thread: bool,
    /// Whether the panics of its tasks and threads are its own affair.
    pub catches_panics: bool,
    /// Variables of its process.
    pub env: &'static [(&'static str, &'static str)],
    /// The group of cases that never run at the same time.
    pub serial: Option<&'static str>,
    /// `#[ignore]`, perhaps with a reason.
    pub ignore: Option<Option<&'static str>>,
    /// `#[should_panic]`, perhaps with a part of the message.
    pub should_panic: Option<Option<&'static str>>,
    /// What an async case runs in.
    pub runtime: Runtime,
    /// Adds what the case's fixtures need.
    pub needs: fn(&mut Needs),
}

impl Settings {
    /// Those of a case that says nothing of them, the same for all.
    pub const fn usual() -> &'static Self {
        static USUAL: Settings = Settings::USUAL;
        &USUAL
    }

    /// What a case says nothing of.
    pub const USUAL: Self = Self {
        gpus: 0,
        vram_mib: None,
        compute_capability: None,
        gpu_model: None,
        timeout_ms: None,
        skip: None,
        xfail: None,
        quarantine: None,
        isolated: false,
        own_thread: false,
        catches_panics: false,
        env: &[],
        serial: None,
        ignore: None,
        should_panic: None,
        runtime: Runtime::CurrentThread { start_paused: false },
        needs: |_| {},
    };
}

/// `xfail = "…"`, `xfail(reason = "…", strict = false)`.
#[derive(Clone, Copy, Debug)]
pub struct Xfail {
    /// Why it fails.
    pub reason: &'static str,
    /// Whether it is a failure if it passes.
    pub strict: bool,
}

/// `quarantine(ticket = "…", until = "2027-01-31")`.
#[derive(Clone, Copy, Debug)]
pub struct Quarantine {
    /// Where it is being dealt with.
    pub ticket: &'static str,
    /// The day on which its failures count again, as `YYYY-MM-DD`.
    pub until: &'static str,
}

/// The tokio runtime of an async case.
#[derive(Clone, Copy, Debug)]
pub enum Runtime {
    /// Everything on the case's thread.
    CurrentThread {
        /// Whether tokio's clock stands still at the start.
        start_paused: bool,
    },
    /// Tasks on threads of their own.
    MultiThread {
        /// How many; tokio's default is one for each core.
        worker_threads: Option<usize>,
    },
}
