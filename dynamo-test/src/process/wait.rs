use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::task::{JoinHandle, spawn_blocking};

/// Something that takes its time: await it in an `async` test, call [`blocking`](Self::blocking) in a sync one.
///
/// Nothing happens before. Dropping the future gives up waiting.
#[must_use = "nothing happens before it is awaited, or `blocking` is called"]
pub struct Wait<T> {
    state: State<T>,
    abandoned: Abandoned,
}

enum State<T> {
    NotBegun(Work<T>),
    Running(JoinHandle<T>),
    Over,
}

type Work<T> = Box<dyn FnOnce(&Abandoned) -> T + Send>;

/// Whether nobody waits any more.
#[derive(Clone, Default)]
pub(crate) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl<T: Send + 'static> Wait<T> {
    /// Work that blocks, and looks now and then whether it was abandoned. Not tokio's timers and sockets: a process
    /// takes real time, also where a test has paused tokio's clock.
    pub(crate) fn new(work: impl FnOnce(&Abandoned) -> T + Send + 'static) -> Self {
        Self { state: State::NotBegun(Box::new(work)), abandoned: Abandoned::default() }
    }

    /// Waits for it on this thread.
    pub fn blocking(mut self) -> T {
        match std::mem::replace(&mut self.state, State::Over) {
            State::NotBegun(work) => work(&self.abandoned),
            State::Running(_) | State::Over => panic!("it was awaited already"),
        }
    }
}

impl<T: Send + 'static> Future for Wait<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut task = match std::mem::replace(&mut self.state, State::Over) {
            State::NotBegun(work) => {
                let abandoned = self.abandoned.clone();
                spawn_blocking(move || work(&abandoned))
            }
            State::Running(task) => task,
            State::Over => panic!("it was awaited already"),
        };
        match Pin::new(&mut task).poll(context) {
            Poll::Ready(Ok(value)) => Poll::Ready(value),
            // A panic of the work, or a `skip!` in it, is the caller's.
            Poll::Ready(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is shutting down, and polls nothing any more.
            Poll::Ready(Err(_)) => Poll::Pending,
            Poll::Pending => {
                self.state = State::Running(task);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Wait<T> {
    fn drop(&mut self) {
        self.abandoned.0.store(true, Ordering::Release);
    }
}
