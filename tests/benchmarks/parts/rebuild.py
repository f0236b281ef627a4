"""A test file with many async cases is touched and built again."""

from ..crates import OUR_DEPENDENCY, OURS, TOKIO_DEPENDENCY, build, functions, make_crate
from ..programs import run

CASES = 2_000


def measure(numbers, _):
    function = "async fn NAME() {\n    assert_eq!(std::future::ready(1).await, 1);\n}"
    ours = functions(CASES, "dynamo_test::dynamo_test", function, "dynamo_test::main!();")
    peers = functions(CASES, "tokio::test", function)
    folders = {
        OURS: make_crate("rebuild-dynamo-test", [OUR_DEPENDENCY], ours, harness=False),
        "tokio::test": make_crate("rebuild-tokio", [TOKIO_DEPENDENCY], peers),
    }
    for folder in folders.values():
        build(folder)

    def touch_and_build(subject):
        (folders[subject] / "cases.rs").touch()
        return run(["cargo", "test", "--no-run", "--test", "cases"], folders[subject], "Compiling").times()

    numbers.measure("rebuild", 5, folders, touch_and_build, {"wall": "s", "CPU": "s"}, "tokio::test",
                    dict.fromkeys(folders, f"{CASES:,} async cases"))
    numbers.goal("rebuild", "wall", OURS, "tokio::test", 1.0)
