use dynamo_test::prelude::*;

#[dynamo_test(integration, premerge)]
fn others_would_suffer(nats: Nats<Shared>) -> Result<(), FaultError> {
    nats.kill()
}

fn main() {}
