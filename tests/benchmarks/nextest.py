"""cargo-nextest, which runs a process for each case."""

import shutil

from .numbers import say
from .programs import WORK, run


class Nextest:
    """Runs cases of the trivial crate for libtest: of the same binary, because its size is part of what each of its
    processes costs."""

    @classmethod
    def found(cls):
        if shutil.which("cargo-nextest"):
            return cls()
        say("cargo-nextest is not installed, and is left out")
        return None

    def run_cases(self, count):
        """What it takes to run the first `count` cases: one, or whole hundreds up to a thousand."""
        select = "=case_00000" if count == 1 else f"/^case_00[0-{count // 100 - 1}]/"
        command = ["cargo", "nextest", "run", "--cargo-quiet", "--status-level", "none", "-E", f"test({select})"]
        return run(command, WORK / "crates" / "trivial-libtest", f"{count} passed").times()
