//! What servers promise holds wherever they come from: child processes, containers, or servers that run already and may
//! be wiped.

mod backend;
mod endings;
mod table;

use std::path::Path;
use std::process::Stdio;

use dynamo_test::prelude::*;

use crate::cleanup::{ANNOUNCE, wait_for};
use crate::containers::Engine;
use crate::fixture_crate::{FixtureCrates, Ran};
pub(crate) use backend::Backend;
use table::{Outcome, Row, TABLE};

suite!(integration, premerge);

#[dynamo_test]
fn it_holds_for_processes(crates: FixtureCrates) {
    the_table_holds(&crates, &Backend::Process);
}

#[dynamo_test]
fn it_holds_for_containers(crates: FixtureCrates, engine: Engine) {
    the_table_holds(&crates, &Backend::Docker(&engine));
}

#[dynamo_test]
fn it_holds_for_servers_that_run_already(crates: FixtureCrates, nats: Nats, etcd: Etcd) {
    the_table_holds(&crates, &Backend::external(nats.url(), etcd.endpoints()));
}

/// Runs the contract's cases side by side, and holds what became of each against the table.
fn the_table_holds(crates: &FixtureCrates, backend: &Backend<'_>) {
    let rows: Vec<&Row> = TABLE.iter().filter(|row| row.is_tried(backend)).collect();
    let cases: Vec<&str> = rows.iter().map(|row| row.cases).collect();
    let mut command = backend.command(crates, &cases);
    command.args(["--test-threads", "4"]);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let root = run.id();
    let ran = Ran::from(run.wait_with_output().unwrap());
    for case in ran.shown() {
        let row = rows.iter().find(|row| case.starts_with(row.cases));
        let row = row.unwrap_or_else(|| panic!("the table does not name {case}"));
        row.outcome(backend).check(&ran, case);
    }
    for row in rows {
        assert!(ran.shown().any(|case| case.starts_with(row.cases)), "no case of {}", row.cases);
    }
    assert_eq!(backend.containers_of(root), []);
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn a_process_that_dies_is_to_blame_for_its_case_alone(crates: FixtureCrates) {
    let died = Outcome::Error("nats-server died while the case ran (signal: 9 (SIGKILL))");
    let ran = a_server_dies(&crates, &Backend::Process, |announcement, _| {
        let of_the_run = crate::cleanup::processes(announcement);
        let server = of_the_run.iter().find(|(command, _)| command.contains("nats-server "));
        crate::cleanup::signal("KILL", *server.expect("there is a server").1);
    });
    died.check(&ran, DIES);
    assert!(ran.failure(DIES).contains("Server is ready"), "its last lines: {}", ran.stdout);
    assert!(ran.failure(DIES).contains("the case then failed: returned an error"));
    assert_eq!(ran.passed(), ["wiped::one"]);
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn a_container_that_dies_is_to_blame_for_its_case_alone(crates: FixtureCrates, engine: Engine) {
    let died = Outcome::Error("nats-server died while the case ran (signal: 9 (SIGKILL))");
    let ran =
        a_server_dies(&crates, &Backend::Docker(&engine), |_, url| engine.kill_who_serves(url));
    died.check(&ran, DIES);
    assert!(ran.failure(DIES).contains("Server is ready"), "its last lines: {}", ran.stdout);
    assert_eq!(ran.passed(), ["wiped::one"]);
}

#[dynamo_test]
fn a_server_of_somebody_s_that_dies_is_to_blame(
    crates: FixtureCrates,
    nats: Nats<Dedicated>,
    etcd: Etcd,
) {
    let backend = Backend::external(nats.url(), etcd.endpoints());
    let ran = a_server_dies(&crates, &backend, |_, _| nats.kill().unwrap());
    Outcome::Error("the external nats at 127.0.0.1:").check(&ran, DIES);
    // There is no other.
    Outcome::Error("cannot be reached").check(&ran, "wiped::one");
}

const DIES: &str = "faults::the_server_dies";

/// Runs a case whose server is killed behind the harness's back, and another after it. `kill` is told the path that
/// the run's processes inherit, and the server's URL.
fn a_server_dies(
    crates: &FixtureCrates,
    backend: &Backend<'_>,
    kill: impl FnOnce(&Path, &str),
) -> Ran {
    let announcement = crates.path("announcement");
    let mut command = backend.command(crates, &[DIES, "wiped::one"]);
    command.arg("--test-threads=1").env(ANNOUNCE, &announcement);
    let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    wait_for("the case tells its server's address", || {
        url = std::fs::read_to_string(&announcement).unwrap_or_default();
        url.starts_with("nats://127.0.0.1:")
    });
    kill(&announcement, &url);
    let root = run.id();
    let ran = Ran::from(run.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    assert_eq!(backend.containers_of(root), []);
    ran
}
