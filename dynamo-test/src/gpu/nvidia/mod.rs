//! The machine's NVIDIA GPUs.

mod driver;
mod machine;
mod processes;
mod visible;

pub(crate) use driver::{Device, NoUsage, Usage};
pub(crate) use machine::{Machine, lack, machine};
pub(crate) use processes::Tree;
