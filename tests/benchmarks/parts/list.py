"""`--list` of all cases, which nextest and IDEs ask for often."""

from ..crates import OURS, TRIVIAL_CASES, trivial_binaries
from ..programs import WORK, run


def measure(numbers, _):
    binaries = trivial_binaries()
    last = f"case_{TRIVIAL_CASES - 1:05}: test"
    numbers.measure("list", 11, binaries, lambda subject: {
        "wall": run([binaries[subject], "--list"], WORK, last).wall * 1e3}, {"wall": "ms"}, "libtest")
    numbers.goal("list", "wall", OURS, None, 50)
