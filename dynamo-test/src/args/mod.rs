//! The command line and the environment become [`Options`].
//!
//! `cargo test -- --flag` reaches harness binaries alone, and nextest passes no flags when it lists. So what selects
//! has an environment variable of the same meaning; a flag wins over its variable.

mod course;

use std::env;
use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use clap::{Parser, ValueEnum};
pub(crate) use course::{Course, OtherRunner, Repeat, Shuffle};
use libtest_mimic::{ColorSetting, FormatSetting};

use crate::config::{self, Config, Limit};
use crate::gpu::GpuOptions;
use crate::service::Backend;
use crate::variables::{self, BadVariable};

const EXAMPLES: &str = "\
Examples:
  cargo test -- --lifecycle premerge
  cargo test -- -m \"integration and (vllm or sglang) and not slow\"

Environment:
  DYNAMO_TEST_LIFECYCLE, DYNAMO_TEST_MARK, DYNAMO_TEST_SKIP (names, separated by spaces),
  DYNAMO_TEST_GPUS, DYNAMO_TEST_MAX_VRAM, DYNAMO_TEST_STRICT=1, DYNAMO_TEST_SEED and RUST_TEST_THREADS mean what the
  flags mean; so do DYNAMO_TEST_CONFIG, _FAILED=1, _FAILED_FIRST=1, _FAIL_FAST=1, _MAX_FAIL, _REPEAT, _RUN_TIMEOUT,
  _SHUFFLE (a number, or random),, _TIMEOUT and _UNTIL_FAIL=1. A flag wins.
  DYNAMO_TEST_NATS_SERVER, DYNAMO_TEST_ETCD  the server programs, where they are not in PATH
  DYNAMO_TEST_NATS_IMAGE, DYNAMO_TEST_ETCD_IMAGE  the images, where servers are containers
  DYNAMO_TEST_SERVICES                       means --services
  DYNAMO_TEST_NATS_URL, DYNAMO_TEST_ETCD_ENDPOINTS  servers that run already
  DYNAMO_TEST_NATS_CREDS, DYNAMO_TEST_NATS_CA       files for clients of such a NATS
  DYNAMO_TEST_SERVICE_TIMEOUT                seconds a server may take to become ready
  DYNAMO_TEST_REQUIRE_GPUS=1                 means --require-gpus
  DYNAMO_TEST_GPU_RESIDENTS                  how many cases may share a GPU, if they declare `vram`
  DYNAMO_TEST_GPU_RESERVE_AFTER              seconds that a case waits for other runs' GPUs before it keeps some
                                             free for itself
  DYNAMO_TEST_GPU_LEASES                     the folder through which all runs and users of the machine share its
                                             GPUs (default: /var/tmp/dynamo-test-gpus)
  DYNAMO_TEST_NVML_LIBRARY                   the NVML library (default: the driver's, libnvidia-ml.so.1)
  DYNAMO_TEST_DIR                            where records of runs and lock files go (default: dynamo-test in the target folder)

What a project sets for all its runs stands in dynamo-test.toml; flags and variables win over it.

Exit codes: 0 all is well, 101 a case failed, 2 the command line or a case's declaration is wrong.";

/// What the user asked for.
#[derive(Debug, Parser)]
#[command(
    name = "cargo test --",
    about = "Runs the cases of this test binary: all that need not be asked for, or those selected.",
    disable_version_flag = true,
    disable_help_flag = true,
    after_help = EXAMPLES,
    override_usage = "cargo test -- [OPTIONS] [NAME]..."
)]
pub(crate) struct Options {
    /// Run the cases whose names contain one of these
    #[arg(value_name = "NAME", help_heading = "Selection")]
    pub(crate) filters: Vec<String>,

    /// Run what this stage runs: premerge, postmerge, nightly, weekly or release; each includes the earlier ones
    #[arg(long, value_name = "STAGE", help_heading = "Selection")]
    pub(crate) lifecycle: Option<String>,

    /// Run the cases whose markers satisfy an expression of `and`, `or`, `not` and parentheses
    #[arg(short = 'm', long, value_name = "EXPR", help_heading = "Selection")]
    pub(crate) mark: Option<String>,

    /// Leave out the cases whose names contain this; may be given several times
    #[arg(long, value_name = "NAME", help_heading = "Selection")]
    pub(crate) skip: Vec<String>,

    /// Leave out the cases that need more than N GPUs
    #[arg(long, value_name = "N", help_heading = "Selection")]
    pub(crate) gpus: Option<u32>,

    /// Leave out the GPU cases that may use more memory of a GPU than this ("24 GiB"), those that do not declare
    /// `vram` among them
    #[arg(long, value_name = "SIZE", help_heading = "Selection")]
    pub(crate) max_vram: Option<Vram>,

    /// Match the names of NAME and --skip as a whole
    #[arg(long, help_heading = "Selection")]
    pub(crate) exact: bool,

    /// Run only the cases that bear #[ignore]
    #[arg(long, help_heading = "Selection", conflicts_with = "include_ignored")]
    pub(crate) ignored: bool,

    /// Run the cases that bear #[ignore], too
    #[arg(long, help_heading = "Selection")]
    pub(crate) include_ignored: bool,

    /// List the cases instead of running them
    #[arg(long, help_heading = "Listing")]
    pub(crate) list: bool,

    /// List every case with what would become of it, and why
    #[arg(long, help_heading = "Listing")]
    pub(crate) explain: bool,

    /// List the markers with their category, aliases and description
    #[arg(long, help_heading = "Listing")]
    pub(crate) markers: bool,

    /// List the machine's GPUs, who has leased what of them, and what is free
    #[arg(long, help_heading = "Listing")]
    pub(crate) gpu_status: bool,

    /// Print this help
    #[arg(short = 'h', long, action = clap::ArgAction::Help, help_heading = "Listing")]
    help: Option<bool>,

    /// Run so many cases at once (default: one for each core)
    #[arg(long, value_name = "N", help_heading = "Running", value_parser = at_least_one)]
    pub(crate) test_threads: Option<NonZeroUsize>,

    /// Give every case a process of its own
    #[arg(long, help_heading = "Running")]
    pub(crate) isolate: bool,

    /// Give a case that sets no timeout itself this much time, as in "90 s"; or "none"
    #[arg(long, value_name = "TIME", help_heading = "Running")]
    pub(crate) timeout: Option<Limit>,

    #[command(flatten)]
    pub(crate) course: Course,

    /// Read this file in place of the nearest dynamo-test.toml
    #[arg(long, value_name = "FILE", help_heading = "Running")]
    pub(crate) config: Option<PathBuf>,

    /// Fail a case that would be skipped because this machine lacks something, or that leaves traces in its process
    #[arg(long, help_heading = "Running")]
    pub(crate) strict: bool,

    /// Fail a case that would be skipped because this machine lacks GPUs
    #[arg(long, help_heading = "Running")]
    pub(crate) require_gpus: bool,

    /// Where servers come from (default: auto)
    #[arg(long, value_name = "BACKEND", help_heading = "Running")]
    pub(crate) services: Option<Backend>,

    /// Derive the cases' seeds from this number
    #[arg(long, value_name = "N", help_heading = "Running")]
    pub(crate) seed: Option<u64>,

    /// Print what cases print as they print it
    #[arg(long, visible_alias = "nocapture", help_heading = "Output")]
    pub(crate) no_capture: bool,

    /// Show what passed cases printed, too
    #[arg(long, help_heading = "Output")]
    pub(crate) show_output: bool,

    /// One character a case; the same as --format terse
    #[arg(short, long, help_heading = "Output", conflicts_with = "format")]
    pub(crate) quiet: bool,

    /// How to print: a line a case, a character a case, or a JSON object an event
    #[arg(long, value_name = "FORMAT", help_heading = "Output")]
    pub(crate) format: Option<Format>,

    /// When to colour
    #[arg(long, value_name = "WHEN", help_heading = "Output")]
    pub(crate) color: Option<Color>,

    /// Write what would be printed of the run into this file
    #[arg(long, value_name = "PATH", help_heading = "Output")]
    pub(crate) logfile: Option<PathBuf>,

    /// Accepted for libtest's sake, as are --test, --bench and --report-time
    #[arg(short = 'Z', value_name = "FLAG", hide = true)]
    unstable: Vec<String>,
    #[arg(long, hide = true)]
    test: bool,
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true)]
    report_time: Option<Option<String>>,

    /// How long a server may take to become ready; from the environment only.
    #[arg(skip)]
    service_timeout: Option<Duration>,

    /// Names that were asked for elsewhere: the stock harness has its own command line.
    #[arg(skip)]
    pub(crate) asked_for: Vec<String>,

    /// How many cases may share a GPU; from the environment only.
    #[arg(skip)]
    gpu_residents: Option<NonZeroU32>,

    /// How long a case waits for other runs' GPUs before it keeps some free; from the environment only.
    #[arg(skip)]
    gpu_reserve_after: Option<Duration>,

    /// Whether the expression or lifecycle came from the environment; for messages.
    #[arg(skip)]
    pub(crate) from_environment: FromEnvironment,
}

/// Which selections came from variables instead of flags.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FromEnvironment {
    pub(crate) lifecycle: bool,
    pub(crate) mark: bool,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Pretty,
    Terse,
    Json,
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// An amount of GPU memory, read as the attribute reads `vram = "24 GiB"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vram {
    pub(crate) mib: u64,
}

impl std::str::FromStr for Vram {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let has_unit = text.trim_end().ends_with(|last: char| last.is_ascii_alphabetic());
        match text.parse::<bytesize::ByteSize>() {
            Ok(size) if has_unit => Ok(Self { mib: size.as_u64() >> 20 }),
            _ => Err("expected an amount of memory with its unit, as in \"24 GiB\""),
        }
    }
}

impl Options {
    /// Reads the process's own arguments; prints and exits where they are wrong, or ask for help.
    pub(crate) fn from_command_line() -> Result<Self, BadVariable> {
        Self::parse().with_environment()
    }

    /// What the environment alone asks for: under the stock harness the command line is libtest's.
    pub(crate) fn from_environment() -> Result<Self, BadVariable> {
        let nothing: [&str; 1] = ["cargo test --"];
        Self::parse_from(nothing).with_environment()
    }

    /// Fills what no flag gave from the environment. An empty variable is as good as none.
    fn with_environment(mut self) -> Result<Self, BadVariable> {
        variables::check_names(env::vars_os().map(|(name, _)| name))?;
        let variable = |name| {
            let value = env::var_os(name).filter(|value| !value.is_empty())?;
            Some(value.to_string_lossy().into_owned())
        };
        if self.lifecycle.is_none() {
            self.lifecycle = variable("DYNAMO_TEST_LIFECYCLE");
            self.from_environment.lifecycle = self.lifecycle.is_some();
        }
        if self.mark.is_none() {
            self.mark = variable("DYNAMO_TEST_MARK");
            self.from_environment.mark = self.mark.is_some();
        }
        if self.skip.is_empty() {
            let names = variable("DYNAMO_TEST_SKIP").unwrap_or_default();
            self.skip = names.split_whitespace().map(Into::into).collect();
        }
        self.strict = self.strict || switch("DYNAMO_TEST_STRICT", variable)?;
        self.require_gpus = self.require_gpus || switch("DYNAMO_TEST_REQUIRE_GPUS", variable)?;
        let time = "a time with its unit, as in \"90 s\", or none";
        self.timeout = or_variable(self.timeout, "DYNAMO_TEST_TIMEOUT", time, variable)?;
        self.course.add_environment(variable)?;
        self.config = self.config.or_else(|| variable("DYNAMO_TEST_CONFIG").map(PathBuf::from));
        let backend = "process, docker, external or auto";
        self.services = or_variable(self.services, "DYNAMO_TEST_SERVICES", backend, variable)?;
        self.service_timeout = seconds("DYNAMO_TEST_SERVICE_TIMEOUT", variable)?;
        self.gpu_reserve_after = seconds("DYNAMO_TEST_GPU_RESERVE_AFTER", variable)?;
        self.gpu_residents =
            or_variable(None, "DYNAMO_TEST_GPU_RESIDENTS", "a number, 1 or more", variable)?;
        self.gpus = or_variable(self.gpus, "DYNAMO_TEST_GPUS", "a number of GPUs", variable)?;
        let memory = "an amount of memory with its unit, as in \"24 GiB\"";
        self.max_vram = or_variable(self.max_vram, "DYNAMO_TEST_MAX_VRAM", memory, variable)?;
        self.seed = or_variable(self.seed, "DYNAMO_TEST_SEED", "a number", variable)?;
        self.test_threads =
            or_variable(self.test_threads, "RUST_TEST_THREADS", "a number, 1 or more", variable)?;
        if !self.no_capture {
            self.no_capture = variable("RUST_TEST_NOCAPTURE").is_some_and(|value| value != "0");
        }
        Ok(self)
    }

    /// How long the run may take.
    pub(crate) fn run_timeout(&self, config: &Config) -> Option<Duration> {
        self.course.run_timeout.unwrap_or(config.timeouts.run).0
    }

    /// How the cases share the machine's GPUs.
    pub(crate) fn gpu_options(&self, configured: &config::Gpus) -> GpuOptions {
        GpuOptions {
            residents: self.gpu_residents.unwrap_or(configured.residents).get(),
            reserve_after: self.gpu_reserve_after.unwrap_or(configured.reserve_after),
        }
    }

    /// How long a server may take to become ready.
    pub(crate) fn service_timeout(&self, configured: &config::Services) -> Duration {
        self.service_timeout.unwrap_or(configured.ready_within)
    }

    /// The format that libtest-mimic prints the run in.
    pub(crate) fn print_format(&self) -> FormatSetting {
        match self.format {
            _ if self.quiet => FormatSetting::Terse,
            None | Some(Format::Pretty) => FormatSetting::Pretty,
            Some(Format::Terse) => FormatSetting::Terse,
            Some(Format::Json) => FormatSetting::Json,
        }
    }

    pub(crate) fn print_color(&self) -> ColorSetting {
        match self.color {
            // What it prints may go through a pipe on its way to the terminal.
            None | Some(Color::Auto) if self.logfile.is_none() => {
                match AutoStream::choice(&io::stdout()) {
                    ColorChoice::Never => ColorSetting::Never,
                    _ => ColorSetting::Always,
                }
            }
            None | Some(Color::Auto) => ColorSetting::Auto,
            Some(Color::Always) => ColorSetting::Always,
            Some(Color::Never) => ColorSetting::Never,
        }
    }
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "it takes a number, 1 or more")
}

fn bad(variable: &'static str, value: &str, expected: &'static str) -> BadVariable {
    BadVariable::Value { variable, value: value.into(), expected }
}

/// Whether a variable says yes.
fn switch(
    name: &'static str,
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<bool, BadVariable> {
    match variable(name).as_deref() {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(value) => Err(bad(name, value, "0 or 1")),
    }
}

/// The time span that a variable gives.
fn seconds(
    name: &'static str,
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<Option<Duration>, BadVariable> {
    let expected = "a number of seconds above 0";
    let Some(seconds) = or_variable::<f64>(None, name, expected, variable)? else {
        return Ok(None);
    };
    let span = Duration::try_from_secs_f64(seconds).ok().filter(|span| !span.is_zero());
    span.map(Some).ok_or_else(|| bad(name, &seconds.to_string(), expected))
}

/// The flag's value, else the variable's.
fn or_variable<T: std::str::FromStr>(
    flag: Option<T>,
    name: &'static str,
    expected: &'static str,
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<Option<T>, BadVariable> {
    match (flag, variable(name)) {
        (None, Some(value)) => match value.parse() {
            Ok(parsed) => Ok(Some(parsed)),
            Err(_) => Err(bad(name, &value, expected)),
        },
        (flag, _) => Ok(flag),
    }
}
