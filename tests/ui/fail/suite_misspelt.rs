use dynamo_test::prelude::*;

suite!(integration, premerg);

fn main() {}
