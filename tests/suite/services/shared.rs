//! One server for several cases at once, each of which has a part of it alone.

use std::fs;

use dynamo_test::prelude::*;
use etcd_client::GetOptions;
use futures_util::TryStreamExt;

use super::{SERVICES, external, runs};
use crate::contract::Backend;
use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

/// Where cases that run at the same time find each other.
pub(crate) const MEETING: &str = "ACCEPTANCE_MEETING";

#[dynamo_test]
fn cases_share_a_server_and_see_nothing_of_each_other(crates: FixtureCrates) {
    let mut command = crates.command(SERVICES);
    command.args(["shared::at_once", "shared::accounts", "shared::prefixes", "--test-threads=4"]);
    let meeting = crates.path("meeting");
    fs::create_dir(&meeting).unwrap();
    let starts = runs::count_starts(&crates, &mut command);
    let ran = FixtureCrates::finish(command.env(MEETING, meeting));
    assert_eq!((ran.code, ran.passed().len()), (Some(0), 11), "{}", ran.stdout);
    // The shared one, that with limits, and the exclusive one.
    assert_eq!(fs::read_to_string(starts).unwrap(), "started\n".repeat(3));
    assert!(crates.leftovers().is_empty(), "{:?}", crates.leftovers());
}

#[dynamo_test]
fn an_account_is_emptied_before_the_next_case_has_it(crates: FixtureCrates) {
    let ran = crates.run(SERVICES, &["shared::accounts::are_found", "--test-threads=1"]);
    assert_eq!((ran.code, ran.passed().len()), (Some(0), 3), "{}", ran.stdout);
}

#[dynamo_test]
async fn of_somebody_s_server_a_case_has_a_prefix_and_only_that_is_deleted(
    crates: FixtureCrates,
    nats: Nats,
    etcd: Etcd,
) -> anyhow::Result<()> {
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await?);
    let stream = |name: &str| async_nats::jetstream::stream::Config {
        name: name.into(),
        ..Default::default()
    };
    context.create_stream(stream("somebodys")).await?;
    let mut keys = etcd_client::Client::connect(etcd.endpoints(), None).await?;
    for key in ["/dynamo-test", "/dynamo-test/somebodys"] {
        keys.put(key, "value", None).await?;
    }
    let mut command = external::command(&crates, &nats, &etcd);
    let ran = FixtureCrates::finish(command.arg("shared::prefixes::keep_apart"));
    assert_eq!((ran.code, ran.passed().len()), (Some(0), 2), "{}", ran.stdout);

    let names: Vec<String> = context.stream_names().try_collect().await?;
    assert_eq!(names, ["somebodys"]);
    let all = GetOptions::new().with_all_keys().with_count_only();
    assert_eq!(keys.get("", Some(all)).await?.count(), 2);
    assert!(crates.leftovers().is_empty(), "no server was started: {:?}", crates.leftovers());
    Ok(())
}

#[dynamo_test]
fn what_somebody_s_server_cannot_be_is_a_reason_to_skip(
    crates: FixtureCrates,
    nats: Nats,
    etcd: Etcd,
) {
    let cases = ["configured::demands_a_user", "shared::prefixes"];
    let wiped = Backend::external(nats.url(), etcd.endpoints());
    let ran = FixtureCrates::finish(&mut wiped.command(&crates, &cases));
    assert_eq!((ran.code, ran.passed().len()), (Some(0), 2), "{}", ran.stdout);
    let reason = ran.verdict("configured::demands_a_user");
    assert!(reason.contains("configured as `services::configured::ForAlice` says"), "{reason}");
    let reason = ran.verdict("shared::prefixes::and_all_of_it");
    assert!(reason.contains("to itself and one that it shares"), "{reason}");
}
