//! Noticing that a lease was given back: the kernel tells when a file that was open for writing is closed, also when
//! its process was killed.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// What happens to the files of leases.
pub(crate) struct Changes {
    /// None where the kernel tells nothing: a user has but so many inotify instances.
    events: Option<OwnedFd>,
}

impl Changes {
    pub(super) fn of(folder: &Path) -> Self {
        Self { events: watch(folder).ok() }
    }

    /// Of nothing.
    pub(crate) fn none() -> Self {
        Self { events: None }
    }

    /// Waits until something was given back since the last call, or so long: what others use beside leases, nobody
    /// tells.
    pub(crate) fn wait(&self, most: Duration) {
        let Some(events) = &self.events else { return thread::sleep(most) };
        let most =
            Timespec { tv_sec: most.as_secs() as i64, tv_nsec: i64::from(most.subsec_nanos()) };
        // After a failure one looks again, which is all that an event would lead to.
        let _ = poll(&mut [PollFd::new(events, PollFlags::IN)], Some(&most));
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(events, &mut buffer);
        while reader.next().is_ok() {}
    }
}

fn watch(folder: &Path) -> io::Result<OwnedFd> {
    let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    inotify::add_watch(&events, folder, WatchFlags::CLOSE_WRITE)?;
    Ok(events)
}
