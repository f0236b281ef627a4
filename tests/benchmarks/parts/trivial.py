"""Cases that print a line each, all of them captured, under each harness."""

from ..crates import OURS, TRIVIAL_CASES, trivial_binaries
from ..nextest import Nextest
from ..programs import WORK, run

NEXTEST_CASES = 500  # nextest starts a process for each case: all of them take more than a minute a round.
SECONDS = {"wall": "s", "CPU": "s"}


def measure(numbers, options):
    binaries = trivial_binaries(options.test_r)
    numbers.measure("trivial", 7, binaries, lambda subject: run(
        [binaries[subject]], WORK, f"{TRIVIAL_CASES} passed").times(), SECONDS, "libtest")
    numbers.goal("trivial", "wall", OURS, "libtest", 0.6)
    nextest = Nextest.found()
    if not nextest:
        return

    def scaled(_):
        one, many = nextest.run_cases(1), nextest.run_cases(NEXTEST_CASES)
        scale = (TRIVIAL_CASES - 1) / (NEXTEST_CASES - 1)
        return {metric: one[metric] + (many[metric] - one[metric]) * scale for metric in one}

    numbers.measure("trivial", 3, ["cargo-nextest"], scaled, SECONDS, "libtest",
                    {"cargo-nextest": f"scaled up from {NEXTEST_CASES} cases"})
    numbers.goal("trivial", "wall", OURS, "cargo-nextest", 1 / 150)
