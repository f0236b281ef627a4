//! What one client asks for, answered in order.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Instant;

use super::super::wire::{Answer, Connection, Request, ServerError};
use super::Supervisor;
use super::member::Member;
use super::pool::Held;

/// Answers a client until it hangs up, or is gone.
pub(super) fn serve(supervisor: &Arc<Supervisor>, stream: UnixStream) {
    let mut connection = Connection::new(stream);
    let mut client = Client { supervisor, held: None, attended: None, suspended: None };
    while let Ok(Some(request)) = connection.receive() {
        let answer = client.answer(request);
        if connection.send(&answer).is_err() {
            break;
        }
    }
}

struct Client<'a> {
    supervisor: &'a Arc<Supervisor>,
    held: Option<Held>,
    attended: Option<Arc<Member>>,
    /// Since when it has the servers stand still.
    suspended: Option<Instant>,
}

impl Client<'_> {
    fn answer(&mut self, request: Request) -> Answer {
        match request {
            Request::Greet => Answer::Done,
            Request::Lease(wanted) => {
                // Given back first: it may be the very one.
                self.held = None;
                match self.supervisor.pools.lease(&wanted) {
                    Ok((held, leased)) => {
                        self.held = Some(held);
                        Answer::Leased(leased)
                    }
                    Err(error) => Answer::Refused { error },
                }
            }
            Request::Release => {
                self.held = None;
                Answer::Done
            }
            Request::Prepare(wanted) => {
                self.supervisor.pools.prepare(&wanted);
                Answer::Done
            }
            Request::Discard => self.with_held(|held| {
                held.discard();
                Ok(())
            }),
            Request::Condemn { reason } => self.with_held(|held| {
                held.condemn(reason);
                Ok(())
            }),
            Request::Attend { lease } => match self.supervisor.pools.attend(lease) {
                Ok(member) => {
                    self.attended = Some(member);
                    Answer::Done
                }
                Err(error) => Answer::Refused { error },
            },
            Request::Command { server, command } => {
                self.with_member(|member| member.command(server, command))
            }
            Request::Inflict { server, fault } => {
                self.with_member(|member| member.inflict(server, fault))
            }
            Request::Heal { server } => self.with_member(|member| member.heal(server)),
            Request::Status { within } => match self.member() {
                Ok(member) => Answer::Status { servers: member.status(within) },
                Err(error) => Answer::Refused { error },
            },
            Request::Suspend => {
                self.suspended = Some(Instant::now());
                self.supervisor.pools.suspend(true);
                Answer::Done
            }
            Request::Resume => {
                self.go_on();
                Answer::Done
            }
            Request::End => self.supervisor.end(),
        }
    }

    fn with_held(&self, act: impl FnOnce(&Held) -> Result<(), ServerError>) -> Answer {
        done(self.held.as_ref().ok_or(ServerError::NoLease).and_then(act))
    }

    fn with_member(&self, act: impl FnOnce(&Member) -> Result<(), ServerError>) -> Answer {
        done(self.member().and_then(|member| act(member)))
    }

    fn member(&self) -> Result<&Arc<Member>, ServerError> {
        let held = self.held.as_ref().map(Held::member);
        held.or(self.attended.as_ref()).ok_or(ServerError::NoLease)
    }

    fn go_on(&mut self) {
        if let Some(since) = self.suspended.take() {
            crate::process_groups::was_suspended(since.elapsed());
            self.supervisor.pools.suspend(false);
        }
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.go_on();
    }
}

fn done(result: Result<(), ServerError>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Refused { error },
    }
}
