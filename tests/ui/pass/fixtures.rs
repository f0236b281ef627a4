//! What an argument may be: its type, and its pattern.

use dynamo_test::Etcd as KeyValueStore;
use dynamo_test::prelude::*;

/// A fixture of the project's own, built on others.
struct Cluster {
    name: &'static str,
    size: usize,
}

impl Fixture for Cluster {
    type Uses = (TempDir, Option<Nats>, (TestInfo, ()));

    async fn setup(uses: Self::Uses, case: &CaseContext) -> Result<Self, FixtureError> {
        let (folder, nats, (info, ())) = uses;
        case.on_teardown(|_| async { Ok(()) });
        let size = std::fs::read_dir(folder.path())?.count() + usize::from(nats.is_some());
        Ok(Self { name: info.name(), size })
    }
}

struct Generic<T>(T);

impl<T: Fixture> Fixture for Generic<T> {
    type Uses = T;

    async fn setup(uses: T, _: &CaseContext) -> Result<Self, FixtureError> {
        Ok(Self(uses))
    }
}

#[dynamo_test]
fn one(folder: TempDir) {
    assert!(folder.path().is_dir());
}

#[dynamo_test]
async fn several(folder: TempDir, info: TestInfo) {
    tokio::task::yield_now().await;
    assert!(folder.path().is_dir());
    assert!(!info.name().is_empty());
}

#[dynamo_test]
fn unused(_: TempDir, _folder: TempDir) {}

#[dynamo_test]
fn changed(mut info: TestInfo) {
    info = info.clone();
    drop(info);
}

#[dynamo_test]
fn taken_apart(Generic(folder): Generic<TempDir>, (one, _): (TestInfo, TestInfo)) {
    drop((folder, one));
}

#[dynamo_test]
fn taken_apart_by_name(Cluster { name, size }: Cluster) {
    assert!(!name.is_empty());
    assert!(size < 2);
}

#[dynamo_test(integration, premerge)]
fn perhaps(nats: Option<Nats>, etcd: Result<KeyValueStore, FixtureError>) {
    assert_eq!(nats.is_some(), etcd.is_ok());
}

#[dynamo_test]
fn nested(nested: (TempDir, Option<(TestInfo, Cluster)>)) {
    drop(nested);
}

#[dynamo_test]
fn raw_name(r#type: TestInfo) {
    assert!(!r#type.name().is_empty());
}

mod by_path {
    #[dynamo_test::dynamo_test]
    fn of_the_crate(folder: dynamo_test::TempDir) {
        drop(folder);
    }
}
