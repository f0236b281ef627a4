//! Signals that come to this process, with who sent them.
//!
//! A case that runs in this process may handle a signal as well, or send itself one, which is its own affair. So it
//! has to be known whose handler the kernel calls, and who the sender was. A handler that is set after this one may
//! call it in turn (signal-hook's does, and so tokio's): that a signal arrives here does not say that nobody else had
//! it.

use std::ffi::{c_int, c_void};
use std::io::{self, PipeReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, IntoRawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

/// The pipe's end that the handler writes to.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The process that listens. One that a test forks off inherits the handler, but nobody listens in it.
static LISTENER: AtomicU32 = AtomicU32::new(0);

/// The signals that come, while this process listens; it does so once.
pub(crate) struct Signals(PipeReader);

/// A signal that came.
pub(crate) struct Received {
    pub(crate) number: i32,
    /// The process that sent it; 0 for the kernel (a terminal's Ctrl-C), and for one that cannot be named here.
    sender: u32,
}

impl Signals {
    /// Listens for signals of these numbers from now on.
    pub(crate) fn listen(numbers: &[i32]) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        // A handler must not wait, not even for a listener that is stuck.
        rustix::io::ioctl_fionbio(&writer, true)?;
        PIPE.store(writer.into_raw_fd(), Ordering::Release);
        LISTENER.store(std::process::id(), Ordering::Release);
        for number in numbers {
            set_handler(*number)?;
        }
        Ok(Self(reader))
    }

    /// Waits for the next signal. An error says that none will come: a case has closed files that are not its own.
    pub(crate) fn next(&mut self) -> io::Result<Received> {
        let [mut number, mut sender] = [[0; size_of::<i32>()]; 2];
        self.0.read_exact(&mut number)?;
        self.0.read_exact(&mut sender)?;
        Ok(Received { number: i32::from_ne_bytes(number), sender: u32::from_ne_bytes(sender) })
    }
}

impl Received {
    /// Whether this process has sent it to itself.
    pub(crate) fn is_from_here(&self) -> bool {
        self.sender == std::process::id()
    }
}

fn set_handler(number: i32) -> io::Result<()> {
    // SAFETY: all zeros is a valid value of this plain C type.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler();
    // A test's system calls go on after a signal, as they do without this handler, where the signal is not deadly.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: the handler has the signature that SA_SIGINFO asks for, lives as long as the process, and does only what
    // a handler may do: it reads numbers and writes to a pipe.
    check(unsafe { libc::sigaction(number, &action, ptr::null_mut()) })
}

/// Whether signals of this number come here first: nobody has set another handler since.
pub(crate) fn come_here_first(number: i32) -> bool {
    current(number).is_ok_and(|current| current == handler())
}

/// Whether signals of this number are ignored, as whoever started the process wanted.
pub(crate) fn are_ignored(number: i32) -> bool {
    current(number).is_ok_and(|current| current == libc::SIG_IGN)
}

/// What is called when a signal of this number comes.
fn current(number: i32) -> io::Result<libc::sighandler_t> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: it writes the current action to where there is room for it, and changes none.
    check(unsafe { libc::sigaction(number, ptr::null(), action.as_mut_ptr()) })?;
    // SAFETY: where there was no error, it has been written.
    Ok(unsafe { action.assume_init() }.sa_sigaction)
}

/// Has a signal of this number do what it does to a process that knows nothing of signals.
pub(crate) fn undergo(number: i32) {
    // SAFETY: neither touches memory of this process's.
    unsafe {
        libc::signal(number, libc::SIG_DFL);
        libc::raise(number);
    }
}

/// Sends a signal to the calling thread.
pub(crate) fn raise(number: i32) {
    // SAFETY: it touches no memory of this process's.
    unsafe { libc::raise(number) };
}

/// Ends the process at once, without what was to be done at its exit.
pub(crate) fn exit_at_once(code: u8) -> ! {
    // SAFETY: nothing of this process's is run any more.
    unsafe { libc::_exit(code.into()) }
}

fn handler() -> libc::sighandler_t {
    note as extern "C" fn(c_int, *const libc::siginfo_t, *const c_void) as libc::sighandler_t
}

/// The handler: passes the signal on to the listener.
extern "C" fn note(number: c_int, info: *const libc::siginfo_t, _context: *const c_void) {
    if LISTENER.load(Ordering::Acquire) != std::process::id() {
        return undergo(number);
    }
    // SAFETY: the kernel gives a valid pointer, and so does a handler that passes the signal on, or none.
    let sender = unsafe { info.as_ref() }.map_or(0, |info| {
        // SAFETY: a code of 0 or less says that a process has sent the signal, and so that its number is there.
        if info.si_code <= 0 { unsafe { info.si_pid() } } else { 0 }
    });
    let mut message = [0; 2 * size_of::<i32>()];
    message[..size_of::<i32>()].copy_from_slice(&number.to_ne_bytes());
    message[size_of::<i32>()..].copy_from_slice(&sender.to_ne_bytes());
    // SAFETY: the file is open as long as the process is, unless a test closes what is not its own; then nothing is
    // written.
    let pipe = unsafe { BorrowedFd::borrow_raw(PIPE.load(Ordering::Acquire)) };
    // As one, because so little is never torn. On Linux rustix leaves errno alone.
    let _ = rustix::io::write(pipe, &message);
}

fn check(returned: c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
