use dynamo_test::prelude::*;

struct Router;

struct Cluster;

impl Fixture for Cluster {
    type Uses = Router;

    async fn setup(_: Router, _: &CaseContext) -> Result<Self, FixtureError> {
        Ok(Self)
    }
}

fn main() {}
