//! The categories of markers, and which of them a project may add to.

use std::fmt;

/// What a marker speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Category {
    /// What kind of test a case is; each case has exactly one.
    Type,
    /// From which stage of development on a case runs.
    Lifecycle,
    /// Hardware that a case needs.
    Hardware,
    /// The inference framework under test.
    Framework,
    /// The component under test.
    Component,
    /// Where the code under test is deployed.
    Deployment,
    /// How a case runs.
    Execution,
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Type => "type",
            Self::Lifecycle => "lifecycle",
            Self::Hardware => "hardware",
            Self::Framework => "framework",
            Self::Component => "component",
            Self::Deployment => "deployment",
            Self::Execution => "execution",
        })
    }
}

/// A category that a project can add markers to.
pub struct ProjectCategory(pub Category);

/// A category that is complete. Its name is in rustc's words where a project adds to one: "expected
/// `ProjectCategory`, found `CategoryOfTheLibraryAlone`".
pub struct CategoryOfTheLibraryAlone;

/// The categories as `marker!` names them.
#[allow(non_upper_case_globals, reason = "they are written as the variants of `Category` are")]
pub mod names {
    use super::{Category, CategoryOfTheLibraryAlone, ProjectCategory};

    macro_rules! categories {
        ($($name:ident)+) => {$(
            #[doc = concat!("[`Category::", stringify!($name), "`].")]
            pub const $name: ProjectCategory = ProjectCategory(Category::$name);
        )+};
    }

    categories! { Hardware Framework Component Deployment Execution }

    /// [`Category::Type`].
    pub const Type: CategoryOfTheLibraryAlone = CategoryOfTheLibraryAlone;
    /// [`Category::Lifecycle`].
    pub const Lifecycle: CategoryOfTheLibraryAlone = CategoryOfTheLibraryAlone;
}
