//! Whether the environment is as it was, without reading it: most cases leave it alone, and to read it takes an
//! unoptimised build longer than most cases.

/// Where the variables lie in memory. Whoever sets one puts it elsewhere; only of a test that writes into the text of
/// one, as C code may, is nothing seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Places(Vec<usize>);

impl Places {
    /// Where they lie now; none where that cannot be seen. No thread may change the environment meanwhile.
    #[cfg(target_os = "linux")]
    pub(super) fn now() -> Option<Self> {
        use std::ffi::c_char;

        // SAFETY: the C library has it, of this type.
        unsafe extern "C" {
            static environ: *const *const c_char;
        }
        let mut places = Vec::with_capacity(64);
        // SAFETY: it is an array of pointers that ends with a null pointer, or nothing; nobody changes it now.
        unsafe {
            let mut next = environ;
            while !next.is_null() && !(*next).is_null() {
                places.push(next.read() as usize);
                next = next.add(1);
            }
        }
        Some(Self(places))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Option<Self> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test(isolated)]
    fn a_variable_that_is_set_changed_or_removed_lies_elsewhere() {
        let mut last = Places::now();
        assert_eq!(Places::now(), last);
        let changes: [fn(); 3] = [
            // SAFETY: this process runs nothing else.
            || unsafe { std::env::set_var("DYNAMO_TEST_PLACES", "one") },
            // SAFETY: as above.
            || unsafe { std::env::set_var("DYNAMO_TEST_PLACES", "two") },
            // SAFETY: as above.
            || unsafe { std::env::remove_var("DYNAMO_TEST_PLACES") },
        ];
        for change in changes {
            change();
            let now = Places::now();
            assert_ne!(now, last);
            last = now;
        }
    }
}
