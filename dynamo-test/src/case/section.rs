//! Where the attribute leaves its definitions: in a section of the program, which the linker puts together from every
//! object file, so that they are a slice.
//!
//! inventory, by which suites and markers are found, takes two more items in the source for each, and a function that
//! runs before `main`: with thousands of cases, a third of the time to build them anew. The linker keeps what is
//! `#[used]`; as of Rust 1.89 it does so, too, where it is told to drop all that nothing refers to.

use std::slice;

use super::Definition;

/// The section's name, as the attribute writes it, after `prefix`. Another version of this crate has another.
macro_rules! section {
    ($prefix:literal) => {
        concat!(
            $prefix,
            "dynamo_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH")
        )
    };
}

/// What lies in a section and takes no room.
#[repr(transparent)]
pub struct Section([Definition; 0]);

impl Section {
    /// The value of a static that lies in it.
    pub const HERE: Self = Self([]);

    /// Whether [`definitions`] are those of the section that this lies in. A dynamic library in which this crate is sees
    /// its own.
    pub(crate) fn is_this(&'static self) -> bool {
        let here = (&raw const *self).addr();
        ((&raw const START).addr()..=(&raw const STOP).addr()).contains(&here)
    }
}

/// Without it a binary without cases would have no section.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = section!("__DATA,")))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = section!("")))]
static SECTION: Section = Section::HERE;

// SAFETY: the linker makes both, at the section's ends.
unsafe extern "C" {
    #[cfg_attr(target_vendor = "apple", link_name = section!("\u{1}section$start$__DATA$"))]
    #[cfg_attr(not(target_vendor = "apple"), link_name = section!("__start_"))]
    static START: u8;
    #[cfg_attr(target_vendor = "apple", link_name = section!("\u{1}section$end$__DATA$"))]
    #[cfg_attr(not(target_vendor = "apple"), link_name = section!("__stop_"))]
    static STOP: u8;
}

/// Every definition of the binary, in the order in which the linker left them: the same in every process of one binary.
pub(super) fn definitions() -> &'static [Definition] {
    let (start, stop) = (&raw const START, &raw const STOP);
    let count = (stop.addr() - start.addr()) / size_of::<Definition>();
    // SAFETY: between its ends the section holds definitions alone, side by side, because the size of one is a multiple
    // of its alignment, and a static with a section of its own choice is aligned no further. They are never written.
    unsafe { slice::from_raw_parts(start.cast(), count) }
}
