//! `suite!`, for a module and those below.

use dynamo_test::prelude::*;

use crate::markers::declared::gaudi;

suite!(integration, premerge, gaudi);

#[dynamo_test]
fn inherits() {}

mod below {
    use dynamo_test::prelude::*;

    suite!(router,);

    #[dynamo_test(nightly)]
    fn inherits_from_both() {}
}

mod with_two {
    dynamo_test::suite!(kvbm);
    dynamo_test::suite!(planner);

    #[dynamo_test::dynamo_test]
    fn inherits_from_all() {}
}

mod by_the_other_name {
    #[dynamo_test::test]
    fn inherits() {}
}
