"""Real servers: how soon a case has one, and what a case that uses both costs."""

import json
import pathlib
import subprocess
import tempfile

from ..crates import OUR_DEPENDENCY, build, functions, make_crate
from ..numbers import Unmeasured
from ..programs import ROOT, WORK, run

CASES = 60

SERVICES = """
use dynamo_test::prelude::*;

dynamo_test::main!();

#[dynamo_test]
fn ready_none() {}

#[dynamo_test]
fn ready_nats(_nats: Nats) {}

#[dynamo_test]
fn ready_etcd(_etcd: Etcd) {}

type Tested = Result<(), Box<dyn std::error::Error>>;

async fn use_both(nats: Nats, etcd: Etcd) -> Tested {
    let jetstream = async_nats::jetstream::new(async_nats::connect(nats.url()).await?);
    let stream = async_nats::jetstream::stream::Config {
        name: "events".into(),
        subjects: vec!["events.>".into()],
        ..Default::default()
    };
    jetstream.create_stream(stream).await?;
    etcd_client::Client::connect(etcd.endpoints(), None).await?.put("key", "value", None).await?;
    Ok(())
}
"""


def measure(numbers, _):
    names = ["DYNAMO_TEST_NATS_SERVER", "DYNAMO_TEST_ETCD", "PROTOC"]
    script = '. tests/tools.sh >&2 && for name; do eval "echo \\$$name"; done'
    tools = subprocess.run(["sh", "-c", script, "sh", *names], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if tools.returncode != 0:
        raise Unmeasured("tests/tools.sh did not find or install the servers")
    programs = dict(zip(names, tools.stdout.splitlines()))
    function = "async fn use_NAME(nats: Nats, etcd: Etcd) -> Tested {\n    use_both(nats, etcd).await\n}"
    leasing = functions(CASES, "dynamo_test", "fn lease_NAME(_nats: Nats, _etcd: Etcd) {}")
    doing_nothing = functions(CASES, "dynamo_test", "fn nothing_NAME() {}")
    binary = build(make_crate("services", [
        OUR_DEPENDENCY,
        'async-nats = { version = "0.51", default-features = false, features = ["jetstream", "ring"] }',
        'etcd-client = { version = "0.21", default-features = false }',
    ], functions(CASES, "dynamo_test", function, SERVICES) + leasing + doing_nothing, harness=False), **programs)

    def recorded(select, count, after=None):
        """A run, and when what happened in it, by the events that the harness records. It is the second binary of a
        cargo, or what the harness takes for one, where it runs `after` another selection."""
        with tempfile.TemporaryDirectory(dir=WORK) as runs:
            command = [binary, select, "--test-threads", "2"]
            if after:
                cargo = pathlib.Path(runs) / "cargo"
                cargo.write_text(f'#!/bin/sh\n"$1" {after} && "$@"\n')
                cargo.chmod(0o755)
                command.insert(0, cargo)
            done = run(command, WORK, f"{count} passed", DYNAMO_TEST_DIR=runs, **programs)
            last = sorted(pathlib.Path(runs).glob("runs/*/events.jsonl"))[-1]
            events = map(json.loads, last.read_text().splitlines())
        times = {}
        for event in events:
            times.setdefault(event["event"], []).append(event["time"])
        return done, times

    def start(service):
        """From the case's turn until a worker has it, that is, until its server was ready: without what the same takes
        where no server is needed (a worker's start, most of it)."""
        found = {}
        for select in (service, "none"):
            done, times = recorded(f"ready_{select}", 1)
            found[select] = {"start": times["started"][0] - times["decided"][-1], "start to stop": done.wall * 1e3}
        return {metric: value - found["none"][metric] for metric, value in found[service].items()}

    def attach(service):
        """The same in the second binary of a cargo, where the first has left a server."""
        found = {}
        for select in (service, "none"):
            _, times = recorded(f"ready_{select}", 1, after=f"ready_{service}")
            found[select] = times["started"][0] - times["decided"][-1]
        return {"attach": found[service] - found["none"]}

    def lease(_):
        """What it takes to have both servers, wiped, for each case but the first."""
        found = {}
        for select in ("lease_", "nothing_"):
            _, times = recorded(select, CASES)
            found[select] = (times["finished"][-1] - times["finished"][0]) / (CASES - 1)
        return {"lease and wipe": found["lease_"] - found["nothing_"]}

    def use(_):
        done, times = recorded("use_", CASES)
        settled = (times["finished"][-1] - times["finished"][0]) / (CASES - 1)
        return {"a case": settled, "a case, with starts": done.wall * 1e3 / CASES}

    numbers.measure("services", 11, ["nats", "etcd"], start, {"start": "ms", "start to stop": "ms"})
    numbers.measure("services", 7, ["both"], use, {"a case": "ms", "a case, with starts": "ms"},
                    notes={"both": f"{CASES} cases on 2 threads"})
    numbers.measure("services", 11, ["nats", "etcd"], attach, {"attach": "ms"})
    numbers.measure("services", 7, ["both"], lease, {"lease and wipe": "ms"},
                    notes={"both": f"{CASES} cases on 2 threads"})
    numbers.goal("services", "start", "nats", None, 20)
    numbers.goal("services", "start", "etcd", None, 90)
    numbers.goal("services", "attach", "nats", None, 3)
    numbers.goal("services", "attach", "etcd", None, 3)
    numbers.goal("services", "lease and wipe", "both", None, 4)
    numbers.goal("services", "a case", "both", None, 10)
