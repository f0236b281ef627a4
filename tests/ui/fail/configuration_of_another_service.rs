use dynamo_test::prelude::*;

struct Small;

impl NatsConfig for Small {
    const JETSTREAM_MAX_STORAGE: Option<u64> = Some(1 << 20);
}

#[dynamo_test(integration, premerge)]
fn it_is_soon_full(etcd: Etcd<Exclusive, Small>) {
    let _ = etcd;
}

fn main() {}
