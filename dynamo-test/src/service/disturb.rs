//! What a case does to a server of its own: asked of the supervisor, on a connection for each request, so that any
//! thread of any process of the case may ask, and none waits for another's server to start.

use super::ServiceError;
use super::client::Client;
use super::fault::Fault;
use super::lease::Handle;
use super::tail::Tail;
use super::wire::{Command, Request};

impl Handle {
    /// Does something to a server of the lease, which are counted from 0; returns when it is done.
    pub(crate) fn command(&self, server: usize, command: Command) -> Result<(), ServiceError> {
        self.ask(&Request::Command { server, command })
    }

    /// Has a fault befall a server of the lease.
    pub(crate) fn inflict(&self, server: usize, fault: Fault) -> Result<(), ServiceError> {
        self.ask(&Request::Inflict { server, fault })
    }

    /// Ends what befell a server of the lease.
    pub(crate) fn heal(&self, server: usize) -> Result<(), ServiceError> {
        self.ask(&Request::Heal { server })
    }

    fn ask(&self, request: &Request) -> Result<(), ServiceError> {
        let gone = || ServiceError::SupervisorGone { tail: Tail::default() };
        let mut client = Client::connect(&self.supervisor).ok_or_else(gone)?;
        client.ask(&Request::Attend { lease: self.lease })?;
        client.ask(request).map(drop)
    }
}
