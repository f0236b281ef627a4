//! A relay between clients and a server that behaves as a bad network does, when it is told to: it delays, slows,
//! holds back, resets and refuses.
//!
//! Clients are given the relay's address, which stays theirs while the server behind it ends and comes back elsewhere.

mod conditions;
mod connection;
mod socket;

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::runtime;
use tokio::sync::watch;

pub(crate) use conditions::Conditions;
pub use conditions::Direction;
pub(crate) use socket::Endpoint;
use socket::Port;

/// A running relay. Dropping it resets the connections that it carries.
#[derive(Debug)]
pub(crate) struct Proxy {
    endpoint: Endpoint,
    state: Option<watch::Sender<State>>,
    done: Arc<Done>,
    thread: Option<JoinHandle<()>>,
}

/// What the relay is told.
#[derive(Clone, Debug, Default)]
struct State {
    /// Where the server is, while there is one.
    target: Option<Endpoint>,
    conditions: Conditions,
    /// How often all connections were told to break.
    resets: u64,
    /// What jitter derives from.
    seed: u64,
    /// How often it was told anything.
    version: u64,
}

/// How much of what it was told the relay does.
#[derive(Debug, Default)]
struct Done {
    version: Mutex<u64>,
    changed: Condvar,
}

impl State {
    /// Where a new connection leads, unless it is refused.
    fn open_target(&self) -> Option<&Endpoint> {
        self.target.as_ref().filter(|_| !self.conditions.refuse)
    }
}

impl Proxy {
    /// Listens at `endpoint`; port 0 is any that is free. It refuses connections until it is told where they lead.
    ///
    /// A thread and a runtime of its own, of which there are as few as servers that are to be disturbed.
    pub(crate) fn start(endpoint: &Endpoint, seed: u64) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let port = {
            let _entered = runtime.enter();
            Port::reserve(endpoint)?
        };
        let endpoint = port.endpoint().clone();
        let (state, told) = watch::channel(State { seed, ..State::default() });
        let thread = thread::Builder::new().name(format!("proxy {endpoint}"));
        let done = Arc::new(Done::default());
        let thread = thread.spawn({
            let done = Arc::clone(&done);
            move || runtime.block_on(serve(port, told, &done))
        })?;
        Ok(Self { endpoint, state: Some(state), done, thread: Some(thread) })
    }

    /// Where clients connect.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Says where the server is. Without one, connections are refused, as they are by a machine on which nobody
    /// listens.
    pub(crate) fn lead_to(&self, target: Option<Endpoint>) {
        self.tell(|state| state.target = target);
    }

    /// Changes what traffic meets from now on, on the connections that there are, too.
    pub(crate) fn impose(&self, conditions: Conditions) {
        self.tell(|state| state.conditions = conditions);
    }

    /// Breaks every connection that there is: both ends see it reset.
    pub(crate) fn reset(&self) {
        self.tell(|state| state.resets += 1);
    }

    /// Returns once it is so: whoever connects then is refused, or is not.
    fn tell(&self, change: impl FnOnce(&mut State)) {
        let Some(state) = &self.state else { return };
        let mut told = 0;
        state.send_modify(|state| {
            change(state);
            state.version += 1;
            told = state.version;
        });
        let version = self.done.version.lock().unwrap_or_else(PoisonError::into_inner);
        // A poisoned lock has nothing to wait for.
        drop(self.done.changed.wait_while(version, |version| *version < told));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Without a sender nobody can tell it anything any more, and it ends.
        self.state = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed; there is nobody to hand it to.
            let _ = thread.join();
        }
    }
}

/// Listens while connections are welcome, until the proxy is dropped.
async fn serve(port: Port, mut told: watch::Receiver<State>, done: &Done) {
    let mut acceptor = None;
    loop {
        let (welcome, version) = {
            let state = told.borrow_and_update();
            (state.open_target().is_some(), state.version)
        };
        match acceptor.take() {
            None if welcome => match port.listen() {
                Ok(listener) => {
                    acceptor = Some(tokio::spawn(connection::accept(listener, told.clone())));
                }
                // Clients are refused, which is all that can be said from here.
                Err(error) => eprintln!("{} does not listen: {error}", port.endpoint()),
            },
            Some(running) if !welcome => {
                running.abort();
                // Its listener is dropped by then.
                let _ = running.await;
                port.close();
            }
            unchanged => acceptor = unchanged,
        }
        *done.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
        done.changed.notify_all();
        if told.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
