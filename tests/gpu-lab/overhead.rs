//! What leases cost, on a machine that a stand-in for NVML describes: the locks are real, the GPUs are not.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use dynamo_test::__private::{Leasing, Need};
use nvml_stand_in::{MACHINE, Machine};

use crate::random::Random;

/// The command of a process that contends.
pub(crate) const HOLD: &str = "hold";

const CARDS: usize = 8;
const PROCESSES: u64 = 50;
const CONTENTION: Duration = Duration::from_secs(10);
const ROUNDS: usize = 2_000;

/// Prints what is measured.
pub(crate) fn print() -> Result<(), String> {
    let folder = env::temp_dir().join(format!("gpu-lab-{}", std::process::id()));
    fs::create_dir(&folder).map_err(said)?;
    let measured = measure(&folder);
    let removed = fs::remove_dir_all(&folder).map_err(said);
    measured.and(removed)
}

fn measure(folder: &Path) -> Result<(), String> {
    Machine::of(CARDS).write(&folder.join("machine.json")).map_err(said)?;
    if env::var_os(MACHINE).is_none() {
        // The surroundings are read by this very process, so it starts itself anew with those it needs.
        let status =
            itself(folder)?.arg("overhead").env(MACHINE, folder.join("machine.json")).status();
        return status.map_err(said)?.success().then_some(()).ok_or_else(|| "failed".into());
    }
    let started = Instant::now();
    let (leasing, cards) = Leasing::start()?;
    println!(
        "NVML start, {cards} GPUs (a stand-in's; a driver's takes longer): {:?}",
        started.elapsed()
    );
    let whole = |count| Need { count, ..Need::default() };
    let part = Need { count: 1, vram_mib: Some(20 * 1024), ..Need::default() };
    for (name, need) in
        [("a whole card", whole(1)), ("20 GiB of a card", part), ("8 cards", whole(8))]
    {
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..ROUNDS {
            let started = Instant::now();
            drop(leasing.lease(need.clone())?);
            times.push(started.elapsed());
        }
        times.sort_unstable();
        let (median, late) = (times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
        println!("lease and release of {name}: median {median:?}, 99 of 100 within {late:?}");
    }
    contend()
}

/// Processes that each hold a card for a while, again and again.
fn contend() -> Result<(), String> {
    let program = env::current_exe().map_err(said)?;
    let mut children: Vec<(Child, BufReader<ChildStdout>)> = Vec::new();
    for seed in 0..PROCESSES {
        let mut command = Command::new(&program);
        command.args([HOLD, &seed.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(said)?;
        let lines = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        children.push((child, lines));
    }
    // Each says that it has started NVML, which is not what is measured, and waits.
    let line_of = |lines: &mut BufReader<ChildStdout>| {
        let mut line = String::new();
        lines.read_line(&mut line).map_err(said)?;
        Ok::<_, String>(line.trim().to_owned())
    };
    for (_, lines) in &mut children {
        line_of(lines)?;
    }
    for (child, _) in &mut children {
        drop(child.stdin.take());
    }
    let mut held = 0.0;
    for (child, lines) in &mut children {
        held += line_of(lines)?.parse::<f64>().map_err(|error| error.to_string())?;
        child.wait().map_err(said)?;
    }
    let lost = 100.0 * (1.0 - held / (CONTENTION.as_secs_f64() * CARDS as f64));
    println!(
        "{PROCESSES} processes, {CARDS} GPUs, leases of 50 to 150 ms, for {CONTENTION:?}: {lost:.1} % of the GPUs' time lost"
    );
    Ok(())
}

/// A process that contends: says when it is ready, and at last how many seconds it has held a card.
pub(crate) fn hold(seed: &str) -> Result<(), String> {
    let mut random = Random::new(seed.parse().map_err(|_| "a seed is a number")?);
    let (leasing, _) = Leasing::start()?;
    println!("ready");
    io::read_to_string(io::stdin()).map_err(said)?;
    let end = Instant::now() + CONTENTION;
    let mut held = Duration::ZERO;
    while Instant::now() < end {
        let lease = leasing.lease(Need { count: 1, ..Need::default() })?;
        let since = Instant::now();
        thread::sleep(Duration::from_secs_f64(random.between(0.05, 0.15)));
        // What is held beyond the end counts for nobody.
        held += Instant::now().min(end).saturating_duration_since(since);
        drop(lease);
    }
    println!("{}", held.as_secs_f64());
    Ok(())
}

fn itself(folder: &Path) -> Result<Command, String> {
    let program = env::current_exe().map_err(said)?;
    let built = program.parent().ok_or("a program is in a folder")?;
    let mut command = Command::new(&program);
    command
        .env("DYNAMO_TEST_NVML_LIBRARY", built.join("deps/libnvml_stand_in.so"))
        .env("DYNAMO_TEST_GPU_LEASES", folder.join("leases"))
        .env_remove("CUDA_VISIBLE_DEVICES")
        .env_remove("SLURM_JOB_ID");
    Ok(command)
}

fn said(error: io::Error) -> String {
    error.to_string()
}
