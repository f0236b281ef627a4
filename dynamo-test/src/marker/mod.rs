//! Markers: names that say what a case is. Each belongs to one category; the built-in ones and a project's own are
//! Rust constants, so that a misspelt one does not compile.

pub mod builtin;
pub(crate) mod category;
pub(crate) mod expression;
mod lifecycle;
pub(crate) mod vocabulary;

pub use category::Category;
pub(crate) use lifecycle::Lifecycle;

/// A name that says what a case is, used in `#[dynamo_test(…)]` and in `--mark` expressions.
///
/// Declare a project's own with [`marker!`](crate::marker!).
#[derive(Clone, Copy, Debug)]
pub struct Marker {
    pub(crate) name: &'static str,
    pub(crate) aliases: &'static [&'static str],
    pub(crate) category: Category,
    pub(crate) description: &'static str,
}

impl Marker {
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        aliases: &'static [&'static str],
        category: Category,
        description: &'static str,
    ) -> Self {
        Self { name, aliases, category, description }
    }

    /// The name it goes by in expressions, listings and records.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Other names that mean the same.
    pub const fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// The category it belongs to.
    pub const fn category(&self) -> Category {
        self.category
    }

    /// What it says of a case, in a sentence.
    pub fn description(&self) -> &'static str {
        self.description.trim()
    }
}

impl PartialEq for Marker {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Marker {}
