use dynamo_test::prelude::*;

struct Router;

#[dynamo_test]
fn routes(router: Router) {
    let _ = router;
}

#[dynamo_test]
fn may_route(router: Option<Router>) {
    let _ = router;
}

fn main() {}
