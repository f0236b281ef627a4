"""Crates are generated and built: the same cases for each harness."""

import json
import pathlib
import shutil

from .numbers import Unmeasured, say
from .programs import ROOT, WORK, run

OURS = "dynamo-test"
OUR_DEPENDENCY = f'{OURS} = {{ path = "{ROOT / OURS}" }}'
TOKIO_DEPENDENCY = 'tokio = { version = "1", features = ["full"] }'

TRIVIAL_CASES = 10_000


def make_crate(name, dependencies, cases, harness=True):
    """A workspace of its own with one test target, and the versions that this repository's lock file names. What did
    not change is not touched, so that a second run builds little."""
    folder = WORK / "crates" / name
    folder.mkdir(parents=True, exist_ok=True)
    manifest = "\n".join([
        "[package]", f'name = "{name}"', 'version = "0.0.0"', 'edition = "2024"', "[workspace]",
        "[lib]", 'path = "lib.rs"',
        "[[test]]", 'name = "cases"', 'path = "cases.rs"', f"harness = {str(harness).lower()}",
        "[dependencies]", *dependencies, ""])
    for file, text in {"Cargo.toml": manifest, "cases.rs": cases, "lib.rs": ""}.items():
        path = folder / file
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    shutil.copyfile(ROOT / "Cargo.lock", folder / "Cargo.lock")
    return folder


def build(folder, **variables):
    """Builds a crate's test binary; where it is."""
    say(f"building {folder.name}")
    command = ["cargo", "test", "--no-run", "--test", "cases", "--message-format", "json"]
    for line in run(command, folder, **variables).output.splitlines():
        message = json.loads(line) if line.startswith('{"reason":"compiler-artifact"') else {}
        if message.get("executable"):
            return pathlib.Path(message["executable"])
    raise Unmeasured(f"cargo built no test binary in {folder}")


def functions(count, attribute, function, head=""):
    cases = (f"#[{attribute}]\n{function.replace('NAME', f'case_{number:05}')}\n" for number in range(count))
    return head + "\n" + "".join(cases)


def trivial_binaries(with_test_r=False):
    """Cases that print a line each, for each harness."""
    printing = 'fn NAME() {\n    println!("printed by NAME");\n}'
    ours = functions(TRIVIAL_CASES, "dynamo_test::dynamo_test", printing, "dynamo_test::main!();")
    folders = {
        OURS: make_crate("trivial-dynamo-test", [OUR_DEPENDENCY], ours, harness=False),
        "libtest": make_crate("trivial-libtest", [], functions(TRIVIAL_CASES, "test", printing)),
    }
    if with_test_r:
        test_r = functions(TRIVIAL_CASES, "test_r::test", printing, "test_r::enable!();")
        folders["test-r"] = make_crate("trivial-test-r", ['test-r = "3"'], test_r, harness=False)
    return {subject: build(folder) for subject, folder in folders.items()}
