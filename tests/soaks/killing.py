"""Runs of which something is killed at a random moment."""

import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from . import leftovers
from .programs import build, environment, images, outcomes

# Until when, after its start, something of a run is killed; it takes longer.
KILLED_WITHIN = 8.0
# How long what is to go may take to be gone.
GONE_WITHIN = 20.0

# A package whose only test target is a program that is there already, for cargo to run.
MANIFEST = """
[package]
name = "soak"
edition = "2021"
[[test]]
name = "soak"
path = "main.rs"
harness = false
[workspace]
"""
MAIN = """
use std::os::unix::process::CommandExt;
fn main() {{
    panic!("{{}}", std::process::Command::new({program}).args(std::env::args_os().skip(1)).exec());
}}
"""


@dataclasses.dataclass
class Crate:
    """A fixture crate, by itself or by cargo."""

    program: str
    cases: list
    # How many folders its cases leave for inspection.
    kept: int
    # Where its servers may come from.
    services: list
    # Further variables of a run.
    variables: dict
    # The manifest of the package by which cargo runs it.
    manifest: pathlib.Path = None

    def packaged(self, folder):
        folder.mkdir()
        (folder / "Cargo.toml").write_text(MANIFEST)
        (folder / "main.rs").write_text(MAIN.format(program=json.dumps(self.program)))
        self.manifest = folder / "Cargo.toml"
        subprocess.run([*self.cargo(), "--no-run", "--quiet"], check=True)
        return self

    def cargo(self):
        return ["cargo", "test", "--offline", "--manifest-path", str(self.manifest)]


class Run:
    """One run, from its start until nothing is left of it."""

    def __init__(self, number, seed, crates, engine):
        self.choice = random.Random(f"{seed}-{number}")
        self.crate = self.choice.choice(crates)
        self.by_cargo = self.choice.random() < 0.5
        self.services = self.choice.choice(self.crate.services)
        self.engine, self.mark = engine, f"{os.getpid()}-{number}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="soak-"))
        self.temp, self.records = self.folder / "tmp", self.folder / "records"
        self.temp.mkdir()

    def go(self):
        """What was killed, how long it took until nothing was left, and what is wrong."""
        command = [*self.crate.cargo(), "--"] if self.by_cargo else [self.crate.program]
        with open(self.folder / "log", "wb") as log:
            self.root = subprocess.Popen(
                [*command, *self.crate.cases], env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        killed = self._kill_something()
        try:
            self.root.wait(timeout=120)
        except subprocess.TimeoutExpired:
            self._end()
            return killed, 0.0, ["it did not end"]
        # A test binary outlives its cargo, and then goes on to its end.
        if killed == "cargo":
            for pid in self._by_role().get("test binary", []):
                kill(pid, signal.SIGTERM)
        ended = time.monotonic()
        while (left := self._left()) and time.monotonic() - ended < GONE_WITHIN:
            time.sleep(0.1)
        took, problems = time.monotonic() - ended, left + self._mixed_up()
        self._end()
        if not problems:
            shutil.rmtree(self.folder)
        return killed, took, problems

    def __str__(self):
        cargo = "by cargo" if self.by_cargo else "by itself"
        return f"{pathlib.Path(self.crate.program).name} {cargo}, servers of {self.services}, see {self.folder}"

    def _environment(self):
        variables = environment(self.mark, self.temp, self.records) | self.crate.variables
        if self.services == "both":
            config = self.folder / "dynamo-test.toml"
            config.write_text('[services.nats]\nbackend = "docker"\n[services.etcd]\nbackend = "process"\n')
            return variables | {"DYNAMO_TEST_CONFIG": str(config)}
        return variables | {"DYNAMO_TEST_SERVICES": self.services}

    def _by_role(self):
        """What can be killed of the run, by what it is to it."""
        roles = collections.defaultdict(list)
        for pid, command in leftovers.processes(self.mark).items():
            roles[self._role(pid, command)].append(pid)
        return roles

    def _role(self, pid, command):
        if pid == self.root.pid and self.by_cargo:
            return "cargo"
        if command.startswith(self.crate.program):
            for role in ("worker", "supervisor"):
                if f" --dynamo-test-{role} " in command:
                    return role
            return "test binary"
        # The shells' scripts come before their names.
        for role, sign in (("reaper", " reaper /"), ("janitor", " janitor /")):
            if command.startswith("/bin/sh -c ") and sign in command:
                return role
        program = pathlib.Path(command.split(" ")[0]).name
        return program if program in ("nats-server", "etcd") else "child of a case"

    def _kill_something(self):
        """Kills one thing at a random moment, and says what it was to the run."""
        nothing = "nothing: the run was over"
        try:
            self.root.wait(timeout=self.choice.uniform(0.0, KILLED_WITHIN))
            return nothing
        except subprocess.TimeoutExpired:
            pass
        # First what it shall be, then which: most processes are workers.
        roles = self._by_role()
        if containers := self.engine.containers(self.root.pid):
            roles["container"] = roles["process of a container"] = containers
        if roles["supervisor"] and roles["reaper"]:
            roles["supervisor and reaper at once"] = roles["supervisor"][:1] + roles["reaper"][:1]
        roles = {role: found for role, found in roles.items() if found}
        if not roles:
            return nothing
        role = self.choice.choice(sorted(roles))
        chosen = self.choice.choice(roles[role])
        match role:
            case "container":
                self.engine.kill(chosen)
            case "process of a container":
                pid = self.engine.process_of(chosen)
                if pid is None:
                    return "nothing: no process of the container is seen"
                kill(pid, signal.SIGKILL)
            case "supervisor and reaper at once":
                supervisor, reaper = roles[role]
                # It cannot have the reaper replaced meanwhile.
                kill(supervisor, signal.SIGSTOP)
                kill(reaper, signal.SIGKILL)
                kill(supervisor, signal.SIGKILL)
            case _:
                kill(chosen, signal.SIGKILL)
        return role

    def _left(self):
        return leftovers.of_run(self.mark, self.root.pid, self.temp, self.crate.kept, self.engine)

    def _mixed_up(self):
        """The cases that met another's data, or another case, in their servers."""
        told = outcomes(self.records).items()
        of_servers = [(case, text) for case, (_, text) in told if case.startswith(("wiped::", "alone::"))]
        return [f"{case}: {text}" for case, text in of_servers if "another case" in text or "heard" in text]

    def _end(self):
        leftovers.clear(self.mark, self.root.pid, self.engine)


def kill(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def soak(options):
    """Runs as often as is asked for; how many runs were not as they should be."""
    engine = leftovers.Engine()
    services = ["process", "docker", "both"] if engine.answers else ["process"]
    named = images() if engine.answers else {}
    home = pathlib.Path(tempfile.mkdtemp(prefix="soak-crates-"))
    crates = [
        Crate(build("services"), ["ready::", "wiped::", "alone::"], 0, services, named),
        Crate(build("outcomes"), [], 1, ["process"], {}),
    ]
    crates = [crate.packaged(home / str(number)) for number, crate in enumerate(crates)]
    print(f"{options.runs} runs, {options.at_once} at once, servers of {', '.join(services)}, seed {options.seed}")
    killed, slowest, failures, lock = collections.Counter(), 0.0, 0, threading.Lock()

    def one(number):
        nonlocal slowest, failures
        run = Run(number, options.seed, crates, engine)
        what, took, problems = run.go()
        with lock:
            killed[what] += 1
            slowest = max(slowest, took)
            if problems:
                failures += 1
                print(f"run {number} ({run}), killed: {what}", *problems, sep="\n    ", flush=True)
            if sum(killed.values()) % 10 == 0:
                print(f"{sum(killed.values())} runs, {failures} of them not as they should be", flush=True)

    with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        list(pool.map(one, range(1, options.runs + 1)))
    shutil.rmtree(home)
    # Those of other people's containers that just come or go are gone a moment later.
    ended = time.monotonic()
    while (strays := engine.strays()) and time.monotonic() - ended < GONE_WITHIN:
        time.sleep(0.5)
    print(*strays, sep="\n", end="\n" if strays else "")
    for what, times in killed.most_common():
        print(f"killed {times} times: {what}")
    print(f"nothing was left {slowest:.1f} s after a run at the latest")
    return failures + len(strays)
