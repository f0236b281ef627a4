//! Measures how well GPUs are scheduled, and what their leases cost.
//!
//! ```sh
//! cargo run --release -p acceptance --bin gpu-lab -- simulate
//! cargo run --release -p acceptance --bin gpu-lab -- overhead
//! ```

mod overhead;
mod policy;
mod random;
mod simulation;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["simulate"] => {
            simulation::print();
            Ok(())
        }
        ["overhead"] => overhead::print(),
        [overhead::HOLD, seed] => overhead::hold(seed),
        _ => Err("gpu-lab simulate | overhead".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
