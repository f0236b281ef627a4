//! Markers: the library's, and a project's own.

use dynamo_test::prelude::*;

pub(crate) mod declared {
    dynamo_test::marker! {
        /// Gaudi accelerators
        pub gaudi: Hardware

        /// The LoRA adapters
        ///
        /// which are small
        pub(crate) lora = low_rank, adapters: Component

        /// SGLang's fork
        pub(super) fork: Framework

        /// Runs under Nomad
        pub nomad: Deployment

        /// Prints a lot
        pub loud: Execution
    }
}

dynamo_test::marker! {
    /// Not seen outside
    hidden: Execution
}

use declared::{fork, gaudi, lora, loud as noisy, nomad};

#[dynamo_test(integration, premerge, postmerge, nightly, weekly, release, router, kvbm, planner)]
fn built_in() {}

#[dynamo_test(integration, pre_merge, trtllm, kv_router)]
fn aliases() {}

#[dynamo_test(gaudi, lora, fork, nomad, noisy, hidden)]
fn declared_ones() {}

#[dynamo_test(slow, gaudi, fast)]
fn both_kinds() {}
