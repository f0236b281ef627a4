//! x
dynamo_test::main!();
