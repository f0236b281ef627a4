use dynamo_test::prelude::*;

struct Router;

impl Router {
    #[dynamo_test]
    fn routes(&self) {}
}

fn main() {}
