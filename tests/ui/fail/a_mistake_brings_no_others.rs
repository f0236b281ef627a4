use dynamo_test::prelude::*;

#[dynamo_test(timeout = 30)]
fn writes(folder: TempDir) -> std::io::Result<()> {
    std::fs::write(folder.path().join("file"), "text")
}

/// Knows the function all the same.
pub fn twice(first: TempDir, second: TempDir) -> std::io::Result<()> {
    writes(first)?;
    writes(second)
}

fn main() {}
