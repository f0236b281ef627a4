//! A test harness for Rust projects whose tests need real things: NATS, etcd, GPUs, several processes.
//!
//! Annotate functions with [`#[dynamo_test]`](macro@dynamo_test); their arguments are fixtures.
//!
//! ```
//! use dynamo_test::prelude::*;
//!
//! #[dynamo_test]
//! fn a_subject_has_tokens() {
//!     assert_eq!("kv.events.42".split('.').count(), 3);
//! }
//!
//! #[dynamo_test(integration, premerge)]
//! async fn a_worker_registers(nats: Nats, etcd: Etcd) -> Result<(), Box<dyn std::error::Error>> {
//!     assert!(nats.url().starts_with("nats://"));
//!     assert_eq!(etcd.endpoints().len(), 1);
//!     Ok(())
//! }
//! ```
//!
//! # Set-up
//!
//! For the unit tests of a library, in `Cargo.toml`:
//!
//! ```toml
//! [lib]
//! harness = false
//!
//! [dev-dependencies]
//! dynamo-test = "0.1"
//! ```
//!
//! and at the root of the crate `#[cfg(test)] dynamo_test::main!();`. For a file under `tests/`, a `[[test]]` section
//! with its `name` and `harness = false`, and `dynamo_test::main!();` in the file. A crate that sets no
//! `harness = false` runs the same cases under Rust's stock harness, selected by environment variables.
//!
//! Then `cargo test -- --lifecycle premerge`; `cargo test -- --help` shows all flags.
//!
//! # Features
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `nats` | yes | the [`Nats`] fixture |
//! | `etcd` | yes | the [`Etcd`] fixture |
//! | `containers` | no | `--services docker`: the servers in containers; brings some 150 crates |
//! | `nats-client` | no | `Nats::client`: an `async_nats::Client` |
//! | `etcd-client` | no | `Etcd::client`: an `etcd_client::Client`; building it takes protoc |
//! | `gpu` | no | `gpus = N` and the [`Gpus`] fixture: NVIDIA GPUs, leased to cases; on Linux |

// The attribute's output names the crate, also in the crate's own tests.
extern crate self as dynamo_test;

mod allowance;
mod args;
mod aside;
mod case;
mod config;
mod exec;
mod fixture;
mod gpu;
mod harness;
mod holder;
mod hugging_face;
mod interrupt;
mod marker;
mod own_program;
mod ports;
mod process;
mod process_groups;
mod recall;
mod repeat;
mod report;
mod run;
mod schedule;
mod secrets;
mod seed;
mod select;
#[cfg_attr(
    not(all(feature = "nats", feature = "etcd")),
    allow(dead_code, unused_imports, unused_variables, reason = "each service uses a part of it")
)]
mod service;
mod signals;
mod standards;
mod stock;
mod stop;
mod target;
mod variables;

/// Makes a function a test case.
///
/// The function may be `async`, returns nothing or a `Result<(), E>` with `E: Debug`, and takes [fixtures](Fixture).
/// `#[ignore]` and `#[should_panic]` mean what they mean in libtest.
///
/// # Arguments
///
/// | argument | meaning |
/// |---|---|
/// | a marker's name | what the case is; `cargo test -- --markers` lists them. The type is `unit` where none is named |
/// | `gpus = 1` | how many GPUs it needs; also `gpu_1` and `gpus_needed_1`. Skipped where there are fewer |
/// | `vram = "20 GiB"` | memory that it needs of each GPU. Others may use the rest meanwhile; without it the GPUs are the case's alone |
/// | `compute_capability = "9.0"` | what each GPU must be capable of, at least |
/// | `gpu_model = "H100"` | what the name of each GPU must contain; the marker `h100` says just this |
/// | `skip = "reason"` | it does not run, for this reason |
/// | `flavor = "multi_thread"` | the tokio runtime of an async case (default: `"current_thread"`) |
/// | `worker_threads = 2` | threads of the multi_thread flavor |
/// | `start_paused = true` | tokio's clock stands still until it is advanced; current_thread only |
/// | `timeout = "30 s"` | how long it may take, fixtures included; then its processes are ended |
/// | `isolated` | it gets a process that runs nothing else |
/// | `catches_panics` | a panic in one of its threads or tasks is its own affair, and does not fail it |
/// | `env(KEY = "value")` | its process has these variables from its start |
/// | `serial = "group"` | it never runs at the same time as another case of the group, whichever test binary that is in |
/// | `xfail = "reason"` | it is expected to fail, and fails the run if it passes |
/// | `xfail(reason = "…", strict = false)` | it is expected to fail, and may pass |
/// | `quarantine(ticket = "…", until = "2027-01-31")` | its failures are reported and do not count, until that day |
///
/// # On which thread
///
/// Every case starts with thread-locals that no other case has touched. A case that is async or has fixtures, that says
/// `isolated` or `env(…)`, or stands under [`test`](macro@test), runs on a thread of its own, and
/// `std::thread::current().name()` is its name. A plain function runs, on Linux, on the thread of those before it,
/// unless one of them did not pass or has left something there: a changed thread-local, a value under one of C's keys,
/// blocked signals, other CPUs. So its thread's name and id say nothing of it, and a panic's message says `thread 'case'`.
/// A case that changes its thread in other ways (its priority, its namespaces, its memory policy) says `isolated`.
///
/// # Panics elsewhere than in the function
///
/// A panic in a thread or a tokio task that the case started fails the case, with the place of that panic: also where
/// the handle was dropped, where nobody looks at what joining returned, and where the thread was started by another
/// thread. One that a `catch_unwind` on its way catches does not, nor does any in a `#[should_panic]` case. Nobody can
/// tell from outside that a test expects the error of a handle; so such a case says it:
///
/// ```
/// use dynamo_test::prelude::*;
///
/// #[dynamo_test(catches_panics)]
/// async fn a_worker_s_panic_is_noticed() {
///     let worker = tokio::spawn(async { panic!("out of memory") });
///     assert!(worker.await.unwrap_err().is_panic());
/// }
/// ```
///
/// A panic that comes after the case's end, in a thread that it left, is printed where the thread prints, and held
/// against no other case. On Linux a thread knows which case it comes from; elsewhere, under the stock harness, where
/// several cases share a process, only the panics of a case that runs alone can be told.
///
/// # Which markers a case must have
///
/// One type at most. An `integration` or `e2e` case has at least one lifecycle (`premerge`, `postmerge`, `nightly`,
/// `weekly`, `release`), a `benchmark` case one of the last three, a `stress` case `release`. A run checks this
/// before it starts anything.
pub use dynamo_test_macros::dynamo_test;
/// The `main` function of a test binary whose target sets `harness = false`.
///
/// Stands at the root of a crate as `#[cfg(test)] dynamo_test::main!();`, or in a file under `tests/` as
/// `dynamo_test::main!();`.
///
/// It does not compile where the target's sources hold a test that `harness = false` would drop: a function under
/// `#[test]`, `#[tokio::test]`, `#[rstest]`, `#[test_case]` and their kin alone. What a macro writes it cannot see.
/// `#[cfg(test)] #[macro_use] extern crate dynamo_test;` at the crate's root makes plain `#[test]` functions, and those
/// that rstest writes, `unit` cases.
pub use dynamo_test_macros::main;
/// [`dynamo_test`](macro@dynamo_test) by the name that other macros (rstest's, say) recognise as a test attribute, for
/// functions that were written for libtest: each runs on a thread of its own, which bears its name.
pub use dynamo_test_macros::test;

#[cfg(feature = "nats-client")]
pub use async_nats;
#[cfg(feature = "etcd-client")]
pub use etcd_client;
#[doc(hidden)]
pub use fixture::Needs;
pub use fixture::{
    Argument, CaseContext, Chaos, Dedicated, Exclusive, FaultError, Fixture, FixtureError, Leased,
    Program, Seed, Server, Service, ServiceMode, Shared, Storm, TempDir, TestInfo, Verdict,
};
#[cfg(feature = "etcd")]
pub use fixture::{Etcd, EtcdCluster, EtcdConfig, EtcdMember};
#[cfg(feature = "gpu")]
pub use fixture::{Gpu, Gpus};
pub use fixture::{HuggingFace, Model, Ports, Processes, Token};
#[cfg(feature = "nats")]
pub use fixture::{Nats, NatsConfig};
pub use hugging_face::BadModelName;
pub use marker::{Category, Marker};
pub use ports::NoFreePort;
pub use process::{LinePattern, Process, ProcessCommand, ProcessError, Ready, Tail, Wait};
#[cfg(feature = "nats")]
pub use service::NatsCredentials;
pub use service::{Direction, Fault};

/// What a module with tests needs: `use dynamo_test::prelude::*;`.
pub mod prelude {
    #[cfg(feature = "gpu")]
    pub use crate::Gpus;
    pub use crate::{
        CaseContext, Chaos, Dedicated, Direction, Exclusive, Fault, FaultError, Fixture,
        FixtureError, HuggingFace, Leased, Ports, Processes, Ready, Seed, Server, Service, Shared,
        TempDir, TestInfo, Verdict, dynamo_test, suite,
    };
    #[cfg(feature = "etcd")]
    pub use crate::{Etcd, EtcdCluster, EtcdConfig, EtcdMember};
    #[cfg(feature = "nats")]
    pub use crate::{Nats, NatsConfig, NatsCredentials};
}

/// Gives markers to every case of the module it stands in, and of the modules below.
///
/// ```
/// mod registration {
///     use dynamo_test::prelude::*;
///
///     suite!(integration, premerge);
///
///     #[dynamo_test(router)]
///     fn is_an_integration_case_of_the_router() {}
/// }
/// ```
#[macro_export]
macro_rules! suite {
    ($($marker:ident),+ $(,)?) => {
        const _: () = {
            $crate::__private::inventory::submit! {
                $crate::__private::Suite {
                    module: ::core::module_path!(),
                    markers: {
                        #[allow(unused_imports)]
                        use $crate::__private::markers::*;
                        &[$($marker),+]
                    },
                }
            }
        };
    };
    ($($anything:tt)*) => {
        ::core::compile_error!(
            "`suite!` takes markers, by their names: `suite!(integration, premerge);`"
        );
    };
}

/// Ends the case that calls it, which is reported as skipped, for a reason that only it can know.
///
/// ```
/// use dynamo_test::prelude::*;
///
/// #[dynamo_test]
/// fn huge_pages_are_used() {
///     if !std::path::Path::new("/sys/kernel/mm/hugepages").exists() {
///         dynamo_test::skip!("this kernel has no huge pages");
///     }
/// }
/// ```
///
/// It works by unwinding, on the case's own thread: in the test function, in what it calls and awaits, and in a
/// fixture's setup.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)+) => {
        $crate::__private::skip(::std::format!($($reason)+))
    };
}

/// Declares a project's own markers: constants to import where they are used.
///
/// ```
/// pub mod markers {
///     dynamo_test::marker! {
///         /// Gaudi accelerators
///         pub gaudi: Hardware
///
///         /// The LoRA adapters
///         pub lora = low_rank: Component
///     }
/// }
///
/// mod tests {
///     use dynamo_test::prelude::*;
///
///     use crate::markers::{gaudi, lora};
///
///     #[dynamo_test(gaudi, lora)]
///     fn adapters_load() {}
/// }
/// # fn main() {}
/// ```
///
/// A marker belongs to a [`Category`]; types and lifecycles are the library's alone. Names after `=` are aliases for
/// expressions.
#[macro_export]
macro_rules! marker {
    // The category is a `tt`: for a wrong `ident`, rustc would point at all of the macro's call.
    (@description $name:ident $($doc:literal)+) => {};
    (@description $name:ident) => {
        ::core::compile_error!(::core::concat!(
            "the marker `",
            ::core::stringify!($name),
            "` has no description: put one above it, `/// What a case with it is.`"
        ));
    };
    ($($(#[doc = $doc:literal])* $visibility:vis $name:ident $(= $($alias:ident),+)? : $category:tt)+) => {$(
        $crate::marker! { @description $name $($doc)* }
        $(#[doc = $doc])*
        #[allow(non_upper_case_globals)]
        $visibility const $name: $crate::Marker = $crate::Marker::new(
            ::core::stringify!($name),
            &[$($(::core::stringify!($alias)),+)?],
            {
                #[allow(unused_imports)]
                use $crate::__private::categories::*;
                let category: $crate::__private::ProjectCategory = $category;
                category.0
            },
            ::core::concat!($($doc),*),
        );
        $crate::__private::inventory::submit! { $crate::__private::Declared($name) }
    )+};
}

/// What the macros' output names. No API: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use inventory;

    pub use crate::case::{
        AsyncFunction, Body, Definition, IntoTestResult, Prepared, Quarantine, Runtime, Section,
        Settings, Suite, SyncFunction, Xfail,
    };
    #[cfg(all(feature = "gpu", target_os = "linux"))]
    pub use crate::exec::Leasing;
    pub use crate::exec::skip;
    pub use crate::fixture::Argument;
    pub use crate::gpu::Need;
    pub use crate::harness::main;
    pub use crate::marker::builtin as markers;
    pub use crate::marker::category::{ProjectCategory, names as categories};
    pub use crate::marker::vocabulary::Declared;
    pub use crate::stock::run_under_stock_harness;
    pub use crate::target::Target;

    /// The scheduler, for simulations of it.
    #[cfg(all(feature = "gpu", target_os = "linux"))]
    pub mod schedule {
        pub use crate::gpu::{Card, Reserved};
        pub use crate::schedule::{Admitted, Queue, worth_reserving};
    }
}

#[cfg(test)]
main!();
