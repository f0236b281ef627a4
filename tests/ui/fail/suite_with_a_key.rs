use dynamo_test::prelude::*;

suite!(integration, premerge, gpus = 1);

fn main() {}
