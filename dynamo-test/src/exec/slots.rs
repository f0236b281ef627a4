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
    /// Who waits for one, in the order in which they came: the number of the next to come, and of the first.
    next: usize,
    first: usize,
    /// How many of those that are free, or become so, are not for [`Slots::acquire`].
    kept: usize,
}

/// The right to run a case. Dropping it lets the next one run.
pub(super) struct Slot(Arc<Shared>);

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        let count = Mutex::new(Count { free: count, next: 0, first: 0, kept: 0 });
        Self(Arc::new(Shared { count, changed: Condvar::new() }))
    }

    /// Waits for a free slot; who came first has the first.
    pub(super) fn acquire(&self) -> Slot {
        let mut count = self.0.count();
        let number = count.next;
        count.next += 1;
        let is_not_yet = |count: &mut Count| count.free <= count.kept || count.first != number;
        let waited = self.0.changed.wait_while(count, is_not_yet);
        let mut count = waited.unwrap_or_else(PoisonError::into_inner);
        count.first += 1;
        count.free -= 1;
        drop(count);
        // The next may have one at once.
        self.0.changed.notify_all();
        Slot(Arc::clone(&self.0))
    }

    /// Waits for a slot that nobody else wants.
    pub(super) fn acquire_spare(&self) -> Slot {
        let waited =
            self.0.changed.wait_while(self.0.count(), |count| count.free <= count.wanted());
        waited.unwrap_or_else(PoisonError::into_inner).free -= 1;
        Slot(Arc::clone(&self.0))
    }

    /// Whether fewer are free than others wait for, or than are kept.
    pub(super) fn are_wanted(&self) -> bool {
        let count = self.0.count();
        count.free < count.wanted()
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

impl Count {
    /// How many others wait for, or are kept for.
    fn wanted(&self) -> usize {
        self.kept + (self.next - self.first)
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
        self.0.changed.notify_all();
    }
}
