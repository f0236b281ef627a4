//! What a thread keeps to itself, compared as bytes: a case that has changed none of it has left nothing in its thread,
//! and the next case may have that.
//!
//! Looked at are the thread-locals of the program and of every library, the C library's among them (glibc registers the
//! destructors of Rust's and C++'s thread-locals there); what C code keeps under keys; the signals that are blocked; the
//! CPUs that may be used. A case's value behind a pointer cannot change unseen: the pointer is there only after a case
//! has made the value, and that case had the thread to itself from then on.

#[cfg(target_os = "linux")]
pub(super) use linux::ThreadState;
#[cfg(not(target_os = "linux"))]
pub(super) use unknown::ThreadState;

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::{CString, c_int, c_void};
    use std::mem::{self, MaybeUninit};
    use std::ptr;

    use libc::{PT_TLS, dl_phdr_info, sigset_t, size_t};
    use rustix::thread::{CpuSet, sched_getaffinity, set_name};

    /// The state of the calling thread, which it cannot leave.
    pub(in super::super) struct ThreadState {
        locals: Vec<Locals>,
        /// What stood there.
        bytes: Vec<Vec<MaybeUninit<u8>>>,
        specific: Specific,
        kernel: Kernel,
    }

    impl ThreadState {
        /// Whether it can be known.
        pub(in super::super) const IS_KNOWN: bool = true;

        /// The state now.
        pub(in super::super) fn observe() -> Self {
            forget_last_error();
            let specific = Specific::now();
            let locals = Locals::all();
            let bytes = locals.iter().map(Locals::copy).collect();
            Self { locals, bytes, specific, kernel: Kernel::now() }
        }

        /// Whether nothing has changed.
        pub(in super::super) fn is_as_before(&self) -> bool {
            forget_last_error();
            if Specific::now() != self.specific {
                return false;
            }
            // In this order, because a list that is as it was holds the same places.
            Locals::all() == self.locals
                && self.locals.iter().zip(&self.bytes).all(|(locals, bytes)| locals.are(bytes))
                && Kernel::now() == self.kernel
        }

        /// Has the calling thread bear this name where the system shows threads; it cuts names after 15 bytes.
        pub(in super::super) fn show_name(name: &str) {
            // Without it a debugger shows another, which is all.
            let _ = CString::new(name).map(|name| set_name(&name));
        }
    }

    /// Every failed system call writes it, and nobody reads it later than at once.
    fn forget_last_error() {
        // SAFETY: it is this thread's own.
        unsafe { *libc::__errno_location() = 0 };
    }

    /// The calling thread's thread-locals of the program or of one library.
    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Locals {
        /// Null where the thread has used none of a library that was loaded later.
        start: *const u8,
        length: usize,
    }

    impl Locals {
        fn all() -> Vec<Self> {
            let mut all: Vec<Self> = Vec::with_capacity(8);
            // SAFETY: `add` is called during the call alone, with the vector.
            unsafe { libc::dl_iterate_phdr(Some(add), ptr::from_mut(&mut all).cast()) };
            all
        }

        fn of(module: &dl_phdr_info) -> Option<Self> {
            let start = module.dlpi_tls_data.cast_const().cast();
            let count = usize::from(module.dlpi_phnum);
            (0..count).find_map(|index| {
                // SAFETY: the program headers are a table of that many rows.
                let header = unsafe { &*module.dlpi_phdr.add(index) };
                let length = usize::try_from(header.p_memsz).unwrap_or_default();
                (header.p_type == PT_TLS).then_some(Self { start, length })
            })
        }

        fn copy(&self) -> Vec<MaybeUninit<u8>> {
            let mut bytes = Vec::with_capacity(self.length);
            if !self.start.is_null() {
                // SAFETY: the block is that long and lives as long as this thread, which changes nothing meanwhile.
                // Whether a byte was ever written does not matter to `MaybeUninit`.
                unsafe {
                    ptr::copy_nonoverlapping(self.start.cast(), bytes.as_mut_ptr(), self.length);
                    bytes.set_len(self.length);
                }
            }
            bytes
        }

        fn are(&self, bytes: &[MaybeUninit<u8>]) -> bool {
            if bytes.is_empty() {
                return true;
            }
            let (start, bytes, length) = (self.start.cast(), bytes.as_ptr().cast(), bytes.len());
            // SAFETY: as above; `bytes` is what `copy` has made of this block, and so as long. The C library takes
            // bytes that were never written for what they happen to be, and a difference costs a thread.
            unsafe { libc::memcmp(start, bytes, length) == 0 }
        }
    }

    /// Adds a module's thread-locals, if it has any, to the vector that `all` is.
    ///
    /// # Safety
    ///
    /// `module` is one that the C library describes, and `all` a `Vec<Locals>` that nobody else uses meanwhile.
    unsafe extern "C" fn add(module: *mut dl_phdr_info, _size: size_t, all: *mut c_void) -> c_int {
        // SAFETY: the caller's promise.
        let (module, all) = unsafe { (&*module, &mut *all.cast::<Vec<Locals>>()) };
        if module.dlpi_tls_modid != 0 {
            all.extend(Locals::of(module));
        }
        0
    }

    /// What C code keeps for the thread under keys (`pthread_setspecific`).
    #[derive(PartialEq, Eq)]
    struct Specific(Vec<*mut c_void>);

    impl Specific {
        /// Keys are numbers, and the lowest that is free is given to who asks for one: so those below it are looked at.
        /// One above it, whose like below were all given back, is not.
        fn now() -> Self {
            let mut free = 0;
            // SAFETY: it writes a key, which is given back at once.
            let is_known = unsafe { libc::pthread_key_create(&raw mut free, None) == 0 };
            if !is_known {
                return Self(Vec::new());
            }
            // SAFETY: nobody has been told of the key.
            unsafe { libc::pthread_key_delete(free) };
            // SAFETY: of a key that is in use it reads a pointer, of any other number nothing.
            Self((0..free).map(|key| unsafe { libc::pthread_getspecific(key) }).collect())
        }
    }

    /// What the kernel knows of the calling thread.
    struct Kernel {
        blocked: sigset_t,
        cpus: Option<CpuSet>,
    }

    impl Kernel {
        fn now() -> Self {
            // SAFETY: a set of signals is numbers, of which the call may leave some at zero.
            let mut blocked: sigset_t = unsafe { mem::zeroed() };
            // SAFETY: it writes to the set, which is of the right type, and changes nothing.
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), &raw mut blocked) };
            Self { blocked, cpus: sched_getaffinity(None).ok() }
        }
    }

    impl PartialEq for Kernel {
        fn eq(&self, other: &Self) -> bool {
            let (one, two) = ((&raw const self.blocked).cast(), (&raw const other.blocked).cast());
            // SAFETY: both are sets of signals, with every byte written.
            let blocks_the_same = unsafe { libc::memcmp(one, two, size_of::<sigset_t>()) == 0 };
            blocks_the_same && self.cpus == other.cpus
        }
    }
}

/// Other systems do not tell where a thread's own data lie.
#[cfg(not(target_os = "linux"))]
mod unknown {
    use std::convert::Infallible;

    pub(in super::super) struct ThreadState(Infallible);

    impl ThreadState {
        pub(in super::super) const IS_KNOWN: bool = false;

        pub(in super::super) fn observe() -> Self {
            unreachable!("nobody asks for what is not known")
        }

        pub(in super::super) fn is_as_before(&self) -> bool {
            match self.0 {}
        }

        pub(in super::super) fn show_name(_name: &str) {}
    }
}
