dynamo_test::marker! {
    /// Gaudi accelerators
    pub gaudi: Hardwear
}

fn main() {}
