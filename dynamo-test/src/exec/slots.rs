use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How many cases run at once.
#[derive(Clone)]
pub(super) struct Slots(Arc<Shared>);

struct Shared {
    count: Mutex<Count>,
    changed: Condvar,
}

struct Count {
    free: usize,
    /// How many of those that are free, or become so, are not for [`Slots::acquire`].
    kept: usize,
}

/// The right to run a case. Dropping it lets the next one run.
pub(super) struct Slot(Arc<Shared>);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let count = Mutex::new(Count { free: count, kept: 0 });
        Self(Arc::new(Shared { count, changed: Condvar::new() }))
    }

    /// Waits for a free slot.
    pub(super) fn acquire(&self) -> Slot {
        let count = self.0.count();
        let waited = self.0.changed.wait_while(count, |count| count.free <= count.kept);
        waited.unwrap_or_else(PoisonError::into_inner).free -= 1;
        Slot(Arc::clone(&self.0))
    }

    /// Up to so many free slots, without waiting; those that are kept among them.
    #[cfg(all(feature = "gpu", target_os = "linux"))]
    pub(super) fn take_free(&self, most: usize) -> Vec<Slot> {
        let mut count = self.0.count();
        let taken = count.free.min(most);
        count.free -= taken;
        (0..taken).map(|_| Slot(Arc::clone(&self.0))).collect()
    }

    /// Has so many slots wait for [`take_free`](Self::take_free).
    #[cfg(all(feature = "gpu", target_os = "linux"))]
    pub(super) fn keep(&self, kept: usize) {
        self.0.count().kept = kept;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.count().free += 1;
        self.0.changed.notify_one();
    }
}
