"""The fixture crates, and what their runs' records tell."""

import json
import os
import pathlib
import subprocess

from .leftovers import MARK

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def build(name):
    """Builds a fixture crate, and says where it is."""
    command = ["cargo", "build", "--package", "acceptance", "--bin", name, "--message-format", "json"]
    output = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    artifacts = [json.loads(line) for line in output.splitlines()]
    return next(a["executable"] for a in artifacts if a.get("executable") and a["target"]["name"] == name)


def images():
    """The variables that name the images of servers, which are made if need be."""
    names = subprocess.run([ROOT / "tests/images"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return dict(zip(["DYNAMO_TEST_NATS_IMAGE", "DYNAMO_TEST_ETCD_IMAGE"], names))


def environment(mark, temp, records):
    """What a run finds around it."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RUST_")}
    variables |= {MARK: mark, "TMPDIR": str(temp), "DYNAMO_TEST_DIR": str(records)}
    # What a machine has, others lack.
    return variables | {"DYNAMO_TEST_NVML_LIBRARY": "/nonexistent/libnvidia-ml.so"}


def outcomes(records):
    """What became of each case, by the run's own record, and what was said of it."""
    found = {}
    for events in records.glob("runs/*/events.jsonl"):
        for line in events.read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "finished":
                found[event["case"]] = event["outcome"], event.get("message", "")
    return found
