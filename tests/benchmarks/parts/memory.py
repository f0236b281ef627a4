"""The peak memory of the process that a user starts."""

from ..crates import OURS, TRIVIAL_CASES, trivial_binaries
from ..numbers import Unmeasured
from ..programs import WORK, run


def measure(numbers, _):
    binaries = trivial_binaries()

    def peak(subject):
        found = run([binaries[subject]], WORK, f"{TRIVIAL_CASES} passed", watched=True).peak_mib
        if not found:
            raise Unmeasured("a process's peak memory is read from /proc, which is not here")
        return {"peak RSS": found}

    numbers.measure("memory", 3, binaries, peak, {"peak RSS": "MiB"}, "libtest", {OURS: "without its workers"})
    numbers.goal("memory", "peak RSS", OURS, None, 40)
