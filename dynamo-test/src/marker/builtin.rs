//! The markers that come with the library. The attribute's names resolve to these constants.

#![allow(
    non_upper_case_globals,
    reason = "a marker is written in the attribute as it is in an expression"
)]

use super::Category::{Component, Deployment, Execution, Framework, Hardware, Lifecycle, Type};
use super::Marker;

macro_rules! markers {
    ($($(#[doc = $doc:literal])+ $name:ident $(= $($alias:ident),+)? : $category:ident;)*) => {
        $(
            $(#[doc = $doc])+
            pub const $name: Marker = Marker::new(
                stringify!($name),
                &[$($(stringify!($alias)),+)?],
                $category,
                concat!($($doc),+),
            );
            $($(
                #[doc = concat!("The same as [`", stringify!($name), "`].")]
                pub const $alias: Marker = $name;
            )+)?
        )*

        /// All of them, by category.
        pub(crate) const ALL: &[Marker] = &[$($name),*];
    };
}

markers! {
    /// Code alone, without services; the type of a case that names none.
    unit: Type;
    /// Several parts together, with real services.
    integration: Type;
    /// The system as a user meets it: real processes, services, hardware.
    e2e: Type;
    /// Measures speed; runs only when asked for.
    benchmark: Type;
    /// Load, faults or long duration; runs only when asked for.
    stress: Type;

    /// Runs before a change is merged.
    premerge = pre_merge: Lifecycle;
    /// Runs after a change was merged.
    postmerge = post_merge: Lifecycle;
    /// Runs every night.
    nightly: Lifecycle;
    /// Runs every week.
    weekly: Lifecycle;
    /// Runs before a release.
    release: Lifecycle;

    /// Needs an NVIDIA H100.
    h100: Hardware;

    /// Exercises vLLM.
    vllm: Framework;
    /// Exercises SGLang.
    sglang: Framework;
    /// Exercises TensorRT-LLM.
    tensorrt_llm = trtllm, trtllm_marker: Framework;

    /// The KV block manager.
    kvbm: Component;
    /// The planner.
    planner: Component;
    /// The KV-aware router.
    router = kv_router: Component;

    /// Runs on Kubernetes.
    k8s: Deployment;
    /// Runs under Slurm.
    slurm: Deployment;

    /// Takes little time.
    fast: Execution;
    /// Takes 10 minutes or more.
    slow: Execution;
}
