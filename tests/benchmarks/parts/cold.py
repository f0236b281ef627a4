"""What a crate that uses the harness builds beside its own code, from nothing."""

import re
import tempfile

from ..crates import OUR_DEPENDENCY, OURS, TOKIO_DEPENDENCY, make_crate
from ..programs import WORK, run


def measure(numbers, _):
    folders = {
        OURS: make_crate("cold-dynamo-test", [OUR_DEPENDENCY], ""),
        "tokio": make_crate("cold-tokio", [TOKIO_DEPENDENCY], ""),
    }
    for folder in folders.values():
        run(["cargo", "fetch"], folder)  # Downloads are not measured.

    def build_cold(subject):
        tree = run(["cargo", "tree", "--prefix", "none", "--edges", "normal,build"], folders[subject]).output
        crates = {" ".join(line.split()[:2]) for line in tree.splitlines() if re.match(r"\S+ v\d", line)}
        with tempfile.TemporaryDirectory(dir=WORK) as target:
            # What comes from a registry is never built incrementally; what lies in a folder, as here, would be.
            times = run(["cargo", "build"], folders[subject], CARGO_TARGET_DIR=target, CARGO_INCREMENTAL="0").times()
        return times | {"crates": len(crates) - 1}  # The one that asks for them is no cost of theirs.

    numbers.measure("cold", 2, folders, build_cold, {"wall": "s", "CPU": "s", "crates": ""}, "tokio",
                    {OURS: "default features", "tokio": 'features = ["full"]'})
    numbers.goal("cold", "wall", OURS, None, 25)
