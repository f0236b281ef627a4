use std::collections::HashMap;
use std::fs;

use crate::service::ancestry::{self, Process};

/// Whose a container is: the run's, and the process's that owns it and on which machine, or part of one, that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labels {
    run: Process,
    owner: Process,
    place: Place,
}

/// Where a pid means something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    host: String,
    /// Another one from each start of the machine.
    boot: String,
    /// A machine has several, one a container.
    pid_namespace: String,
}

const RUN_PID: &str = "dynamo-test.run.pid";
const RUN_STARTED: &str = "dynamo-test.run.started";
const OWNER_PID: &str = "dynamo-test.owner.pid";
const OWNER_STARTED: &str = "dynamo-test.owner.started";
const HOST: &str = "dynamo-test.host";
const BOOT: &str = "dynamo-test.boot";
const PID_NAMESPACE: &str = "dynamo-test.pid-namespace";

impl Labels {
    /// The labels of what this process owns in a run.
    pub(super) fn of_this_process(run: &Process) -> Self {
        Self { run: run.clone(), owner: own(), place: Place::here() }
    }

    pub(super) fn all(&self) -> Vec<(&'static str, String)> {
        vec![
            (RUN_PID, self.run.pid.to_string()),
            (RUN_STARTED, self.run.started.to_string()),
            (OWNER_PID, self.owner.pid.to_string()),
            (OWNER_STARTED, self.owner.started.to_string()),
            (HOST, self.place.host.clone()),
            (BOOT, self.place.boot.clone()),
            (PID_NAMESPACE, self.place.pid_namespace.clone()),
        ]
    }

    /// What the engine is asked for in order to list what the owner owns: `LABEL=VALUE`.
    pub(super) fn filters(&self) -> Vec<String> {
        self.all().into_iter().map(|(label, value)| format!("{label}={value}")).collect()
    }

    /// What the engine is asked for in order to list all that this library ever started.
    pub(super) fn filters_of_all() -> Vec<String> {
        vec![OWNER_PID.into()]
    }

    /// A name for the owner's container of this number; the engine has no two of a name.
    pub(super) fn container_name(&self, number: usize) -> String {
        let Process { pid, started, .. } = self.owner;
        format!("dynamo-test-{pid}-{started:x}-{number}")
    }
}

/// Whether what bears these labels can be nobody's any more. What another machine's process owns is left to that
/// machine, since nobody here can tell.
pub(super) fn is_stale(labels: &HashMap<String, String>) -> bool {
    is_stale_at(labels, &Place::here(), |pid| ancestry::process(pid).map(|process| process.started))
}

fn is_stale_at(
    labels: &HashMap<String, String>,
    here: &Place,
    started: impl Fn(u32) -> Option<u64>,
) -> bool {
    let label = |name| labels.get(name).map_or("", String::as_str);
    if label(HOST) != here.host {
        return false;
    }
    if label(BOOT) != here.boot {
        return true;
    }
    let owner = (label(OWNER_PID).parse().ok(), label(OWNER_STARTED).parse().ok());
    match owner {
        (Some(pid), Some(at)) if label(PID_NAMESPACE) == here.pid_namespace => {
            started(pid) != Some(at)
        }
        _ => false,
    }
}

impl Place {
    fn here() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
        let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            boot: text("/proc/sys/kernel/random/boot_id"),
            pid_namespace: namespace.to_string_lossy().into_owned(),
        }
    }
}

fn own() -> Process {
    let pid = std::process::id();
    ancestry::process(pid).unwrap_or(Process { pid, started: 0, name: String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    fn labels() -> Labels {
        let process = |pid, started| Process { pid, started, name: String::new() };
        let place = Place { host: "ci".into(), boot: "b1".into(), pid_namespace: "pid:[1]".into() };
        Labels { run: process(7, 70), owner: process(8, 80), place }
    }

    fn map(labels: &Labels) -> HashMap<String, String> {
        labels.all().into_iter().map(|(label, value)| (label.into(), value)).collect()
    }

    #[dynamo_test]
    fn what_a_live_process_owns_is_never_stale() {
        let ours = labels();
        assert!(!is_stale_at(&map(&ours), &ours.place, |_| Some(80)));
        assert!(!is_stale(&map(&Labels::of_this_process(&own()))));
    }

    #[dynamo_test]
    fn what_a_dead_process_owned_is_stale_even_if_another_got_its_pid() {
        let ours = labels();
        assert!(is_stale_at(&map(&ours), &ours.place, |_| None));
        assert!(is_stale_at(&map(&ours), &ours.place, |_| Some(81)));
    }

    #[dynamo_test]
    fn what_was_owned_before_the_machine_started_is_stale() {
        let mut before = labels();
        before.place.boot = "b0".into();
        assert!(is_stale_at(&map(&before), &labels().place, |_| Some(80)));
    }

    #[dynamo_test]
    fn what_belongs_to_another_machine_or_container_is_left_alone() {
        let (mut elsewhere, mut inside) = (labels(), labels());
        elsewhere.place.host = "laptop".into();
        inside.place.pid_namespace = "pid:[2]".into();
        for others in [elsewhere, inside] {
            assert!(!is_stale_at(&map(&others), &labels().place, |_| None), "{others:?}");
        }
    }

    #[dynamo_test]
    fn what_bears_other_labels_is_left_alone() {
        let odd = [("dynamo-test.host".into(), "ci".into()), (BOOT.into(), "b1".into())];
        assert!(!is_stale_at(&HashMap::from(odd), &labels().place, |_| None));
    }
}
