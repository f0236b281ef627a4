//! What each case of the fixture crate must come out as, and where a harness has no way to say so.

/// What a case must come out as. The text must be in what is shown of it.
pub(super) enum Expected {
    Passed,
    Failed(&'static str),
    Error(&'static str),
    Crashed(&'static str),
    TimedOut(&'static str),
    /// Passed, though it should not.
    XPassed(&'static str),
    /// Run without counting: the outcome in the record, and what is shown of it. Cargo-nextest and the stock harness
    /// have no word for it, and show it as passed.
    Tolerated(&'static str, &'static str),
    /// Not run, for this reason.
    Ignored(&'static str),
}

use Expected::{Crashed, Error, Failed, Ignored, Passed, TimedOut, Tolerated, XPassed};

/// A case of the fixture crate.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) expected: Expected,
    /// The signal that ends its process, where that is not a worker's: under cargo-nextest, and in place under the
    /// stock harness.
    pub(super) killed_by: Option<&'static str>,
    /// Whether it has a process of its own under the stock harness, too.
    pub(super) has_own_process: bool,
    /// Why it comes out otherwise where the run's own process is that of the case: under cargo-nextest.
    pub(super) not_alone: Option<&'static str>,
    /// Why it comes out otherwise under the stock harness.
    pub(super) not_under_stock: Option<&'static str>,
}

const fn case(name: &'static str, expected: Expected) -> Row {
    Row {
        name,
        expected,
        killed_by: None,
        has_own_process: false,
        not_alone: None,
        not_under_stock: None,
    }
}

impl Row {
    const fn killed_by(self, signal: &'static str) -> Self {
        Self { killed_by: Some(signal), ..self }
    }

    const fn in_a_process_of_its_own(self) -> Self {
        Self { has_own_process: true, ..self }
    }

    const fn not_alone(self, reason: &'static str) -> Self {
        Self { not_alone: Some(reason), ..self }
    }

    const fn not_under_stock(self, reason: &'static str) -> Self {
        Self { not_under_stock: Some(reason), ..self }
    }

    /// Whether the stock harness ends with it, and with all the cases beside it.
    pub(super) fn ends_the_stock_harness(&self) -> bool {
        let ends = matches!(self.expected, Crashed(_)) || self.killed_by.is_some();
        ends && !self.has_own_process
    }
}

/// Cases in place share a process.
const SHARED: &str = "cases in place share their process, with the harness and each other";
const UNSEEN: &str = "nobody can tell which of the cases in place left a process or a thread";
const RAW: &str = "the stock harness captures what `print!` and `eprint!` write, and nothing else";
const LEFT: &str = "the end of a thread that a case in place leaves is not awaited";

pub(super) const TABLE: &[Row] = &[
    case("a_panic_s_payload_panics_too", Failed("a panic without a message")),
    case("aborts", Crashed("killed by signal: 6 (SIGABRT)")).killed_by("SIGABRT"),
    case("closes_stdout", Passed).not_under_stock(SHARED),
    case("crashes::exits_in_a_task", Crashed("")),
    case("crashes::exits_in_a_thread", Crashed("")),
    case("crashes::is_killed", Crashed("killed by signal: 9 (SIGKILL)")).killed_by("SIGKILL"),
    case("crashes::is_terminated", Crashed("killed by signal: 15 (SIGTERM)")).killed_by("SIGTERM"),
    case("crashes::overflows_the_stack", Crashed("has overflowed its stack")).killed_by("SIGABRT"),
    case("crashes::panics_across_c", Crashed("nobody may unwind from here")).killed_by("SIGABRT"),
    case("crashes::panics_in_a_thread_local", Crashed("while it is dropped")).killed_by("SIGABRT"),
    case("crashes::panics_while_it_panics", Crashed("the first panic")).killed_by("SIGABRT"),
    case("crashes::runs_into_an_illegal_instruction", Crashed("killed by signal: 4 (SIGILL)"))
        .killed_by("SIGILL"),
    case("crashes::segfaults", Crashed("killed by signal: 11 (SIGSEGV)")).killed_by("SIGSEGV"),
    case("crashes::segfaults_as_expected", Tolerated("xfailed", "xfailed: issue 21 is open"))
        .killed_by("SIGSEGV"),
    case("deadlines::blocks_termination", TimedOut("deadlines::spin_forever")),
    case("deadlines::ends_in_time", Passed),
    case("deadlines::hangs", TimedOut("printed before it hung")),
    case("deadlines::hangs_in_a_blocking_task", TimedOut("deadlines::spin_forever")),
    case("deadlines::hangs_in_drop", TimedOut("printed before the drop")),
    case("deadlines::ignores_termination", TimedOut("did not end within 200ms")),
    case("deadlines::leaves_its_process_group", TimedOut("did not end within 200ms")),
    case("deadlines::spins_in_a_thread_of_its_own", TimedOut("deadlines::spin_forever")),
    case("deadlines::stops_itself", TimedOut("did not end within 200ms"))
        .not_alone("a process that stands still watches no deadline of its own"),
    case("deadlines::waits_for_a_child_process", TimedOut("waits_for_a_child_process")),
    case("deadlines::waits_for_itself", TimedOut("waits_for_itself")),
    case("does_not_panic_though_it_should", Failed("the test did not panic, as it should")),
    case("does_without_a_broken_fixture", Passed),
    case("exits_with_a_code", Crashed("exited with code 7 before the case was finished")),
    case("exits_with_success", Crashed("exited with code 0 before the case was finished")),
    case("expectations::aborts_as_expected", Tolerated("xfailed", "xfailed: issue 14 is open"))
        .killed_by("SIGABRT"),
    case(
        "expectations::fails_after_quarantine",
        Failed("its quarantine, FLAKY-18, expired on 2026-01-01"),
    ),
    case("expectations::fails_as_expected", Tolerated("xfailed", "xfailed: issue 13 is open")),
    case(
        "expectations::fails_in_quarantine",
        Tolerated("quarantined", "quarantined: FLAKY-17, until 2999-01-01"),
    ),
    case("expectations::may_pass", Tolerated("xpassed", "")),
    case("expectations::passes_after_quarantine", Passed),
    case("expectations::passes_unexpectedly", XPassed("remove its `xfail`")),
    case("expectations::skips_itself", Tolerated("skipped", "this machine has no /dev/infiniband")),
    case("expectations::skips_itself_in_a_fixture", Tolerated("skipped", "the device is asleep")),
    case(
        "expectations::skips_itself_though_it_should_panic",
        Tolerated("skipped", "before the panic"),
    ),
    case("has_a_broken_fixture", Error("fixture `_broken: Broken`: the device is unplugged")),
    case("has_a_panicking_fixture", Error("no device")),
    case("ignored_with_a_reason", Ignored("it takes a minute")),
    case("isolation::changes_the_current_directory", Passed).not_under_stock(SHARED),
    case("isolation::changes_the_environment", Passed).not_under_stock(SHARED),
    case("isolation::changes_the_umask", Passed).not_under_stock(SHARED),
    case("isolation::has_a_process_of_its_own", Passed),
    case("isolation::has_its_environment_from_the_start", Passed),
    case("isolation::has_no_other_case_s_environment", Passed).not_under_stock(SHARED),
    case("isolation::leaves_a_child_process", Passed).not_under_stock(UNSEEN),
    case("isolation::leaves_a_child_that_ignores_termination", Passed).not_under_stock(UNSEEN),
    case("isolation::leaves_a_daemon", Passed).not_under_stock(UNSEEN),
    case("isolation::leaves_a_fork_of_itself", Passed).not_under_stock(UNSEEN),
    case("isolation::leaves_a_thread", Passed).not_under_stock(UNSEEN),
    case("isolation::leaves_a_zombie", Passed),
    case("isolation::leaves_nothing", Passed),
    case("isolation::may_share_a_process", Passed).not_under_stock(SHARED),
    case("keeps_its_temp_dir", Failed("so that it is kept")),
    case("knows_itself", Failed("so that it shows")),
    case("leaves_no_temp_dir", Passed),
    case("needs_more_gpus_than_there_are", Ignored("needs 4096 GPUs, ")),
    case("output::prints_a_report_of_its_own", Failed("so that it shows")),
    case("output::prints_control_characters", Failed("so that it shows")),
    case("panics", Failed("the panic's message")),
    case("panics_as_it_should", Passed),
    case("panics_async", Failed("assertion `left == right` failed")),
    case("panics_before_teardown", Failed("teardown of panics_before_teardown: Failed")),
    case("panics_with_another_message", Failed("should contain \"out of range\"")),
    case("panics_with_the_message_it_should", Passed),
    case("passes", Passed),
    case("passes_async", Passed),
    case("passes_but_teardown_fails", Error("teardown: the device does not answer")),
    case("passes_in_paused_time", Passed),
    case("passes_on_many_threads", Passed),
    case("prints_50_megabytes", Failed("after 50 megabytes")),
    case("prints_after_a_case_closed_stdout", Failed("printed after stdout was put back"))
        .not_under_stock(SHARED),
    case("prints_from_c", Failed("printed by C code")).not_under_stock(RAW),
    case("prints_invalid_utf8", Failed("before \u{fffd}\u{fffd} after")).not_under_stock(RAW),
    case("reads_stdin_to_its_end", Passed),
    case("processes::are_missed", Failed("ended while the case needed it")),
    case("processes::see_the_case_s_environment", Passed),
    case("resources::exits_with_services", Crashed("")).in_a_process_of_its_own(),
    case("resources::has_services", Passed),
    case("resources::nightly", Passed),
    case("resources::sees_its_gpu", Ignored("needs 1 GPU, ")),
    case("returns_an_error", Failed("the error's message")),
    case("returns_ok", Passed),
    case("serial::eight", Passed),
    case("serial::five", Passed),
    case("serial::four", Passed),
    case("serial::one", Passed),
    case("serial::seven", Passed),
    case("serial::six", Passed),
    case("serial::three", Passed),
    case("serial::two", Passed),
    case("skipped_with_a_reason", Ignored("issue 12 is open")),
    case("stray_panics::caught_where_they_happen", Passed),
    case("stray_panics::dealt_with", Passed),
    case("stray_panics::expected", Tolerated("xfailed", "xfailed: issue 20 is open")),
    case(
        "stray_panics::in_a_blocking_task",
        Failed("the blocking task's message\nthis was in a task"),
    ),
    case("stray_panics::in_a_task", Failed("the task's message\nthis was in a task")),
    case("stray_panics::in_a_task_on_another_thread", Failed("the other thread's task's message")),
    case("stray_panics::in_a_task_that_fails_the_test", Failed(": the root of it\n")),
    case(
        "stray_panics::in_a_task_that_is_dropped",
        Failed("dropped with its task\nthis was in a task"),
    ),
    case(
        "stray_panics::in_a_thread",
        Failed("the thread's message\nthis was in a thread without a name"),
    ),
    case("stray_panics::in_a_thread_left_behind", Failed("too late to be joined"))
        .not_under_stock(LEFT),
    case(
        "stray_panics::in_a_thread_of_a_thread",
        Failed("far out\nthis was in the thread `inner`"),
    ),
    case("stray_panics::passed_on", Passed),
    case("stray_panics::without_a_hook", Passed).not_under_stock(SHARED),
    case("stray_panics::without_a_hook_before", Failed("after another case's hook"))
        .not_under_stock(SHARED),
    case("talks_to_a_fixture_s_task_from_a_sync_function", Passed),
    case("workers::aborts_after_a_note", Crashed("killed by signal: 6 (SIGABRT)"))
        .killed_by("SIGABRT"),
    case("workers::closes_every_file", Crashed("printed before the files were closed"))
        .not_alone("alone, it closes nothing that the harness cannot do without")
        .not_under_stock(SHARED),
    case("workers::garbles_the_socket", Crashed("what its process said to the harness is garbled"))
        .not_alone("alone, there is no socket")
        .not_under_stock(SHARED),
    case("workers::has_a_long_message", Failed("more bytes]"))
        .not_under_stock("a message is cut where it leaves a worker"),
    case("workers::is_killed_from_outside", Crashed("killed by signal: 9 (SIGKILL)"))
        .killed_by("SIGKILL"),
    case("workers::leaves_a_fork_that_holds_the_socket", Crashed("killed by signal: 6 (SIGABRT)"))
        .not_alone("nobody outlives its process who could end the fork")
        .not_under_stock(UNSEEN),
    case("workers::passes_with_a_note", Passed),
    case("workers::runs_out_of_memory", Crashed("memory allocation of 67108864 bytes failed"))
        .killed_by("SIGABRT"),
];
