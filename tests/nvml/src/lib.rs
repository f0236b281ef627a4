//! A stand-in for NVIDIA's `libnvidia-ml.so`: its GPUs are described by a JSON file, which is read anew at each call,
//! so that a test can change the machine under a running program.
//!
//! The file is named by [`MACHINE`]. Tests write it with [`Machine::write`]; a process that wants memory of a GPU, as
//! a CUDA program would, calls [`allocate`].

mod machine;
mod nvml;

pub use machine::{Device, Failure, MACHINE, Machine, Process, allocate, was_started};
