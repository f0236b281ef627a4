"""Programs are run, and what they cost is measured."""

import contextlib
import dataclasses
import os
import pathlib
import re
import subprocess
import tempfile
import time

from .numbers import Unmeasured

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WORK = ROOT / "target" / "benchmark"


def environment(**extra):
    """The user's, without what would change a harness's or cargo's ways, or answer from a cache."""
    stray = re.compile(r"DYNAMO_TEST_|RUST_TEST_|NEXTEST|CARGO_(BUILD|PROFILE|TARGET|INCREMENTAL)|RUSTC_|RUSTFLAGS$")
    kept = {name: value for name, value in os.environ.items() if not stray.match(name)}
    return kept | {"CARGO_TARGET_DIR": str(WORK / "target"), "DYNAMO_TEST_DIR": str(WORK / "runs")} | extra


@dataclasses.dataclass
class Run:
    wall: float  # Seconds, as is cpu.
    cpu: float  # With all descendants that were waited for.
    output: str
    peak_mib: float

    def times(self):
        return {"wall": self.wall, "CPU": self.cpu}


def run(command, cwd, expect="", watched=False, **variables):
    """Runs a command to its end; it must succeed and print what matches `expect`. Its output goes to a file, as in
    a pipeline, and not through this script."""
    command = [str(word) for word in command]
    with tempfile.TemporaryFile(dir=WORK) as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env=environment(**variables), stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=subprocess.STDOUT)
        peak = peak_mib(process.pid) if watched else 0.0
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode != 0 or not re.search(expect, text):
        tail = "\n".join(text.splitlines()[-15:])
        raise Unmeasured(f"`{' '.join(command)}` ended with {process.returncode}, wanted 0 and {expect!r}:\n{tail}")
    return Run(wall, usage.ru_utime + usage.ru_stime, text, peak)


def peak_mib(pid):
    """The peak memory of one process, asked for until it ends. Not wait4's ru_maxrss: that is the greatest of the
    process, its children, and this script that it was forked from."""
    peak, status = 0, pathlib.Path(f"/proc/{pid}/status")
    while status.exists() and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
            peak = max(peak, int(found[1]) if found else 0)
        time.sleep(0.001)
    return peak / 1024
