"""A process for each case: what one more case costs."""

from ..crates import OURS, trivial_binaries
from ..nextest import Nextest
from ..programs import WORK, run

CASES = 500


def measure(numbers, _):
    binary = trivial_binaries()[OURS]
    nextest = Nextest.found()

    def ours(count):
        filters = ["case_00000"] if count == 1 else [f"case_{hundred:03}" for hundred in range(count // 100)]
        return run([binary, "--isolate", *filters], WORK, f"{count} passed").times()

    def one_more(subject):
        run_cases = ours if subject == OURS else nextest.run_cases
        one, many = run_cases(1), run_cases(CASES)
        return {metric: (many[metric] - one[metric]) * 1e3 / (CASES - 1) for metric in one}

    subjects = [OURS, "cargo-nextest"] if nextest else [OURS]
    numbers.measure("isolate", 3, subjects, one_more, {"wall": "ms", "CPU": "ms"}, "cargo-nextest",
                    {OURS: "--isolate, a case"})
    numbers.goal("isolate", "CPU", OURS, "cargo-nextest", 0.5)
