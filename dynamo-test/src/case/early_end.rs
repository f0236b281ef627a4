use std::sync::OnceLock;

use tokio::sync::Notify;

/// That a case is over before its function has returned: something that it cannot do without is gone.
///
/// An async function is dropped at its next await. A sync one cannot be: it has a little time to notice by itself, and
/// is then given up, its thread left to run.
#[derive(Default)]
pub(crate) struct EarlyEnd {
    reason: OnceLock<String>,
    announced: Notify,
    give_up: OnceLock<GiveUp>,
}

/// Told the reason.
type GiveUp = Box<dyn Fn(&str) + Send + Sync>;

impl EarlyEnd {
    /// Ends the case, for the first reason that is given.
    pub(crate) fn announce(&self, reason: String) {
        if self.reason.set(reason).is_ok() {
            self.announced.notify_one();
        }
    }

    /// Why the case is over, if it is.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// Runs a part of the case, unless it is over: then `None`, and the part is dropped. One part at a time.
    pub(crate) async fn unless<T>(&self, part: impl Future<Output = T>) -> Option<T> {
        let announced = std::pin::pin!(self.announced.notified());
        let part = std::pin::pin!(part);
        first_of(part, announced).await
    }

    /// What is done when the function is given up.
    pub(crate) fn on_giving_up(&self, act: impl Fn(&str) + Send + Sync + 'static) {
        // The first one is told; there is no other.
        let _ = self.give_up.set(Box::new(act));
    }

    /// Waits for the function no longer.
    pub(crate) fn give_up(&self) {
        if let (Some(act), Some(reason)) = (self.give_up.get(), self.reason()) {
            act(reason);
        }
    }
}

/// What `part` comes to, or none if `end` is reached before.
async fn first_of<T>(
    mut part: std::pin::Pin<&mut impl Future<Output = T>>,
    mut end: std::pin::Pin<&mut impl Future<Output = ()>>,
) -> Option<T> {
    use std::task::Poll;
    std::future::poll_fn(|context| match part.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}
