//! Servers that run already and are somebody's; here they are those of the suite's own case.

use std::process::{Command, Stdio};

use dynamo_test::prelude::*;

use super::SERVICES;
use crate::contract::Backend;
use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

/// The fixture crate, with these servers for external ones.
pub(super) fn command(crates: &FixtureCrates, nats: &Nats, etcd: &Etcd) -> Command {
    let mut command = crates.command(SERVICES);
    command
        .env("DYNAMO_TEST_NATS_URL", nats.url())
        .env("DYNAMO_TEST_ETCD_ENDPOINTS", etcd.endpoints().join(","));
    command
}

#[dynamo_test]
async fn nothing_is_deleted_unless_its_owner_says_so(
    crates: FixtureCrates,
    nats: Nats,
    etcd: Etcd,
) -> anyhow::Result<()> {
    let client = async_nats::connect(nats.url()).await?;
    let jetstream = async_nats::jetstream::new(client);
    let somebodys =
        async_nats::jetstream::stream::Config { name: "somebodys".into(), ..Default::default() };
    jetstream.create_stream(somebodys).await?;

    let ran = FixtureCrates::finish(command(&crates, &nats, &etcd).args(["wiped", "environment"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(ran.passed(), ["environment::names_none"]);
    let reason = ran.verdict("wiped::one");
    assert!(reason.contains("may hold what is somebody's"), "{reason}");
    assert!(reason.contains("external = { wipe = true }"), "{reason}");
    jetstream.get_stream("somebodys").await?;

    let mut strict = command(&crates, &nats, &etcd);
    let ran = FixtureCrates::finish(strict.args(["wiped::one", "--strict"]));
    assert_eq!(ran.code, Some(101), "{}", ran.stdout);
    Ok(())
}

#[dynamo_test]
fn what_may_be_wiped_is_wiped_for_one_case_at_a_time_in_all_runs(
    crates: FixtureCrates,
    nats: Nats,
    etcd: Etcd,
) {
    let wiped = Backend::external(nats.url(), etcd.endpoints());
    let runs: Vec<_> = (0..2)
        .map(|_| {
            let cases = ["wiped", "environment", "--test-threads=4"];
            let mut command = wiped.command(&crates, &cases);
            command.stdout(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{stdout}");
        assert!(stdout.contains("11 passed; 0 failed; 0 ignored"), "{stdout}");
    }
    assert!(crates.leftovers().is_empty(), "no server was started: {:?}", crates.leftovers());
}

#[dynamo_test]
fn one_that_is_not_there_is_an_error_of_the_environment(crates: FixtureCrates) {
    let nowhere = Backend::external("nats://me:secret@127.0.0.1:1", &[]);
    let mut command = nowhere.command(&crates, &["environment::names_nats_alone"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(101));
    let shown = ran.failure("environment::names_nats_alone");
    assert!(shown.contains("error: the external nats at 127.0.0.1:1 cannot be reached"), "{shown}");
    assert!(!ran.stdout.contains("secret"), "{}", ran.stdout);
}

#[dynamo_test]
fn one_that_was_asked_for_and_not_named_is_missing(crates: FixtureCrates) {
    let arguments = ["environment::names_nats_alone", "--services=external"];
    let ran = FixtureCrates::finish(
        crates.command(SERVICES).env("NATS_SERVER", "nats://ambient:4222").args(arguments),
    );
    assert_eq!(ran.code, Some(101));
    let shown = ran.failure("environment::names_nats_alone");
    assert!(shown.contains("no server is named for nats: set $DYNAMO_TEST_NATS_URL"), "{shown}");
}
