use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::running::{self, Running};
use super::watchdog::Watchdog;
use super::{log, tree};
use crate::aside::aside;
use crate::case::EarlyEnd;

/// How long a case that is over may take to notice, before the rest of its processes is ended, and again before it is
/// given up.
const NOTICE_WITHIN: Duration = Duration::from_secs(1);

/// Those of the cases that run in this process.
static HOUSEHOLDS: Mutex<Vec<Weak<Household>>> = Mutex::new(Vec::new());

/// All processes of a case.
pub(crate) struct Household {
    /// Begins the mark of each.
    mark: String,
    /// Where their logs go.
    folder: PathBuf,
    early_end: Arc<EarlyEnd>,
    members: Mutex<Members>,
    /// Notified once the case has come to its teardown.
    over: Condvar,
}

#[derive(Default)]
struct Members {
    started: Vec<Arc<Running>>,
    names: Vec<String>,
    watchdog: Option<Watchdog>,
    over: bool,
}

/// What a process is to be called, and where its log is.
pub(super) struct Prepared {
    pub(super) name: String,
    pub(super) log: PathBuf,
    pub(super) mark: String,
}

impl Household {
    pub(crate) fn new(folder: PathBuf, early_end: Arc<EarlyEnd>) -> Arc<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        tree::adopt_orphans();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = crate::seed::random();
        let household = Arc::new(Self {
            mark: format!("{}-{number}-{unique:016x}.", std::process::id()),
            folder,
            early_end,
            members: Mutex::default(),
            over: Condvar::new(),
        });
        let mut all = HOUSEHOLDS.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|household| household.strong_count() > 0);
        all.push(Arc::downgrade(&household));
        household
    }

    /// Finds a name and makes the log.
    pub(super) fn prepare(&self, name: &str) -> io::Result<(Prepared, File)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut members = self.members();
        let taken = |name: &str| members.names.iter().any(|known| known == name);
        let names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}-{n}")));
        let name = names.into_iter().find(|name| !taken(name)).unwrap_or_default();
        members.names.push(name.clone());
        let mark = format!("{}{}", self.mark, members.names.len());
        drop(members);
        let log = log::path(&self.folder, &name);
        let file = File::options().append(true).create_new(true).open(&log)?;
        Ok((Prepared { name, log, mark }, file))
    }

    /// Starts a command, and lets whoever comes after a kill know of it.
    pub(super) fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut members = self.members();
        if members.watchdog.is_none() {
            members.watchdog = Some(Watchdog::start(&self.mark, &self.folder)?);
        }
        let child = command.spawn()?;
        if let Some(watchdog) = &mut members.watchdog {
            watchdog.watch(rustix::process::Pid::from_child(&child));
        }
        Ok(child)
    }

    /// Takes a process on, and has its end noticed.
    pub(super) fn take_on(self: &Arc<Self>, process: Arc<Running>) -> io::Result<()> {
        self.members().started.push(Arc::clone(&process));
        let household = Arc::downgrade(self);
        aside(move || {
            process.wait_for_exit();
            let needed = std::mem::take(&mut process.state().needed);
            if let Some(household) = household.upgrade().filter(|_| needed) {
                household.mourn(&process);
            }
        })
    }

    /// A process died while the case needed it.
    fn mourn(&self, process: &Running) {
        self.announce(process);
        if !self.is_over_within(NOTICE_WITHIN) {
            // A sync function may be waiting for another of them.
            self.end_all();
            if !self.is_over_within(NOTICE_WITHIN) {
                self.early_end.give_up();
            }
        }
    }

    /// Ends the case for this reason.
    fn announce(&self, process: &Running) {
        process.wait_for_last_lines();
        let status = process.exit().unwrap_or_default();
        self.early_end.announce(format!(
            "{} ended while the case needed it ({status}); its last lines:\n{}",
            process.name,
            process.tail()
        ));
    }

    /// Ends one process with all that it started.
    pub(super) fn end(&self, process: &Arc<Running>, ask: bool) {
        running::end(std::slice::from_ref(process), ask);
        if let Some(watchdog) = &mut self.members().watchdog {
            watchdog.forget(process.pid());
        }
    }

    /// The case is over: ends them all. Their logs stay if the case did not pass.
    pub(crate) fn disperse(&self, passed: bool) {
        self.members().over = true;
        self.over.notify_all();
        let started = self.started();
        for process in &started {
            // It may have died a moment ago, unnoticed.
            let exit = process.exit();
            if std::mem::take(&mut process.state().needed) && exit.is_some() {
                self.announce(process);
            }
        }
        self.end_all();
        if passed && self.early_end.reason().is_none() {
            for name in std::mem::take(&mut self.members().names) {
                // What cannot be removed is gone already, or goes with the run.
                let _ = fs::remove_file(log::path(&self.folder, &name));
            }
            // The last of what the case keeps takes the folder along.
            let _ = fs::remove_dir(&self.folder);
        }
    }

    /// Ends all processes with all that they started, so that nobody need watch over them.
    fn end_all(&self) {
        running::end(&self.started(), true);
        if let Some(watchdog) = self.members().watchdog.take() {
            watchdog.end();
        }
    }

    fn is_over_within(&self, span: Duration) -> bool {
        let members = self.members();
        let waited = self.over.wait_timeout_while(members, span, |members| !members.over);
        waited.unwrap_or_else(PoisonError::into_inner).0.over
    }

    fn started(&self) -> Vec<Arc<Running>> {
        self.members().started.clone()
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the processes of all cases in this process: they do not come to their teardown any more.
pub(crate) fn end_all() {
    let all = std::mem::take(&mut *HOUSEHOLDS.lock().unwrap_or_else(PoisonError::into_inner));
    for household in all.iter().filter_map(Weak::upgrade) {
        household.end_all();
    }
}

/// What a process is called that was given no name: its program's file name.
pub(super) fn name_of(program: &OsStr) -> String {
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    name.chars().filter(|char| char.is_alphanumeric() || "-_.".contains(*char)).collect()
}
