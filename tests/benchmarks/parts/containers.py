"""A NATS and an etcd in containers, beside testcontainers used directly, one container a test."""

import subprocess

from ..crates import OUR_DEPENDENCY, OURS, build, functions, make_crate
from ..numbers import Unmeasured
from ..programs import ROOT, WORK, run

CASES = 20
PEER = "testcontainers"

USE = """
type Tested = Result<(), Box<dyn std::error::Error>>;

async fn use_nats(url: &str) -> Tested {
    let jetstream = async_nats::jetstream::new(async_nats::connect(url).await?);
    let stream = async_nats::jetstream::stream::Config {
        name: "events".into(),
        subjects: vec!["events.>".into()],
        ..Default::default()
    };
    jetstream.create_stream(stream).await?;
    Ok(())
}
"""

OUR_CASES = """
use dynamo_test::prelude::*;

dynamo_test::main!();

#[dynamo_test]
async fn first_nats(nats: Nats) -> Tested {
    use_nats(nats.url()).await
}

#[dynamo_test]
fn first_etcd(_etcd: Etcd) {}
"""

PEER_CASES = """
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};

fn image(variable: &str) -> (String, String) {
    let image = std::env::var(variable).unwrap();
    let (name, tag) = image.split_once(':').unwrap();
    (name.into(), tag.into())
}

async fn nats() -> (ContainerAsync<GenericImage>, String) {
    let (name, tag) = image("DYNAMO_TEST_NATS_IMAGE");
    let container = GenericImage::new(name, tag)
        .with_exposed_port(4222.tcp())
        .with_wait_for(WaitFor::message_on_stderr("Server is ready"))
        .with_cmd(["-js"])
        .start()
        .await
        .unwrap();
    let port = container.get_host_port_ipv4(4222).await.unwrap();
    let url = format!("nats://{}:{port}", container.get_host().await.unwrap());
    (container, url)
}

#[tokio::test]
async fn first_nats() -> Tested {
    let (_container, url) = nats().await;
    use_nats(&url).await
}

#[tokio::test]
async fn first_etcd() {
    let (name, tag) = image("DYNAMO_TEST_ETCD_IMAGE");
    let client = "http://0.0.0.0:2379";
    let _container = GenericImage::new(name, tag)
        .with_exposed_port(2379.tcp())
        .with_wait_for(WaitFor::message_on_stderr("serving client traffic insecurely"))
        .with_cmd(["etcd", "--listen-client-urls", client, "--advertise-client-urls", client])
        .start()
        .await
        .unwrap();
}
"""


def images():
    """What the servers' images are called, by the variables that name them."""
    made = subprocess.run(["tests/images"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if made.returncode != 0:
        raise Unmeasured("no Docker engine answers, or it did not take the images of tests/images")
    return dict(zip(["DYNAMO_TEST_NATS_IMAGE", "DYNAMO_TEST_ETCD_IMAGE"], made.stdout.splitlines()))


def measure(numbers, _):
    variables = images() | {"DYNAMO_TEST_SERVICES": "docker"}
    nats = 'async-nats = { version = "0.51", default-features = false, features = ["jetstream", "ring"] }'
    ours = "async fn NAME(nats: Nats) -> Tested {\n    use_nats(nats.url()).await\n}"
    peers = "async fn NAME() -> Tested {\n    let (_container, url) = nats().await;\n    use_nats(&url).await\n}"
    binaries = {
        OURS: build(make_crate("containers-dynamo-test", [
            OUR_DEPENDENCY.replace("}", ', features = ["containers"] }'), nats,
        ], functions(CASES, "dynamo_test", ours, USE + OUR_CASES), harness=False)),
        PEER: build(make_crate("containers-testcontainers", [
            'testcontainers = { version = "0.28", default-features = false }', nats,
            'tokio = { version = "1", features = ["macros", "rt"] }',
        ], functions(CASES, "tokio::test", peers, USE + PEER_CASES))),
    }

    def wall(subject, select, count):
        return run([binaries[subject], select, "--test-threads", "2"], WORK, f"{count} passed", **variables).wall

    def first(subject):
        return {f"first {service}": wall(subject, f"first_{service}", 1) * 1e3 for service in ("nats", "etcd")}

    numbers.measure("containers", 7, binaries, first, {"first nats": "ms", "first etcd": "ms"}, PEER)
    numbers.measure("containers", 3, binaries, lambda subject: {
        "a case": wall(subject, "case_", CASES) * 1e3 / CASES}, {"a case": "ms"}, PEER,
        {subject: f"{CASES} cases with a nats on 2 threads" for subject in binaries})
    numbers.goal("containers", "first nats", OURS, PEER, 1.2)
    numbers.goal("containers", "first etcd", OURS, PEER, 1.2)
