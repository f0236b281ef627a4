use std::collections::VecDeque;

use serde_json::Value;

use super::finished::Attempt;
use super::gpus::InUse;
use super::workers::{Cases, Request};
use crate::fixture::Notes;

/// One case, run by itself, perhaps with GPUs.
pub(super) struct Single<'a, F> {
    progress: &'a mut Progress<F>,
    notes: &'a Notes,
    /// Until it begins.
    request: Option<Request>,
    /// Once it has ended.
    attempt: Option<Attempt>,
}

impl<'a, F> Single<'a, F> {
    pub(super) fn new(request: Request, progress: &'a mut Progress<F>, notes: &'a Notes) -> Self {
        Self { progress, notes, request: Some(request), attempt: None }
    }

    /// What became of it, once the workers have run it.
    pub(super) fn attempt(self) -> Attempt {
        self.attempt.unwrap_or_else(|| Attempt::error("it was never run: please report this"))
    }
}

impl<F: FnOnce(u32)> Cases for Single<'_, F> {
    fn next(&mut self) -> Option<Request> {
        self.request.take()
    }

    fn take_back(&mut self, requests: VecDeque<Request>) {
        self.request = requests.into_iter().next();
    }

    fn runs(&mut self, _: &Request, pid: u32) {
        self.progress.started(pid);
    }

    fn noted(&mut self, request: &Request, note: Value) {
        self.notes.write(request.case.name(), note);
    }

    fn answered(&mut self) {
        self.progress.answered();
    }

    fn ended(&mut self, _: Request, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    fn ahead(&self) -> usize {
        1
    }

    fn settle(&mut self) {}
}

/// Passes on what happens while a case runs.
pub(super) struct Progress<F> {
    pub(super) started: Option<F>,
    pub(super) gpus: Option<InUse>,
}

impl<F: FnOnce(u32)> Progress<F> {
    /// This process runs it.
    pub(super) fn started(&mut self, pid: u32) {
        if let Some(started) = self.started.take() {
            started(pid);
        }
        if let Some(gpus) = &mut self.gpus {
            gpus.started(pid);
        }
    }

    /// It has ended; its process is still there, or was until now.
    pub(super) fn answered(&mut self) {
        if let Some(gpus) = &mut self.gpus {
            gpus.answered();
        }
    }
}
