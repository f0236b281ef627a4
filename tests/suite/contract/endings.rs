//! Whoever ends a run, and however: of the servers that it started, nothing is left; somebody's stay.

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use dynamo_test::prelude::*;

use super::Backend;
use crate::cleanup::{ANNOUNCE, processes, signal, signal_group, stand_in_for_cargo, wait_for};
use crate::containers::Engine;
use crate::fixture_crate::FixtureCrates;

suite!(integration, premerge);

/// It has its servers and a folder, and never ends.
const CASE: &str = "faults::the_test_hangs";

/// An end of a run.
struct Ending {
    name: &'static str,
    /// Whether cargo runs the test binary, and so is what the run ends with.
    under_cargo: bool,
    /// Whether the case goes on without its servers.
    case_goes_on: bool,
    end: fn(&Run),
}

const ENDINGS: &[Ending] = &[
    Ending {
        name: "Ctrl-C, which the terminal sends to cargo and the test binary",
        under_cargo: true,
        case_goes_on: false,
        end: |run| signal_group("INT", run.child.id()),
    },
    Ending {
        name: "cargo is killed",
        under_cargo: true,
        case_goes_on: true,
        end: |run| signal("KILL", run.child.id()),
    },
    Ending {
        name: "the test binary is killed",
        under_cargo: false,
        case_goes_on: false,
        end: |run| signal("KILL", run.child.id()),
    },
    Ending {
        name: "the supervisor is killed",
        under_cargo: false,
        case_goes_on: true,
        end: |run| {
            if let Some(supervisor) = run.process("--dynamo-test-supervisor") {
                signal("KILL", supervisor);
            }
        },
    },
    Ending {
        name: "supervisor and reaper are killed in the same instant, and then the run is told to end",
        under_cargo: false,
        case_goes_on: false,
        end: |run| {
            if let Some(supervisor) = run.process("--dynamo-test-supervisor") {
                // It cannot have the reaper replaced meanwhile.
                signal("STOP", supervisor);
                signal("KILL", run.process(" reaper ").expect("there is a reaper"));
                signal("KILL", supervisor);
            }
            signal("TERM", run.child.id());
        },
    },
];

#[dynamo_test]
fn processes_go_with_their_run(crates: FixtureCrates) {
    nothing_is_left(&crates, &Backend::Process);
}

#[dynamo_test]
fn containers_go_with_their_run(crates: FixtureCrates, engine: Engine) {
    nothing_is_left(&crates, &Backend::Docker(&engine));
}

#[dynamo_test]
fn servers_that_ran_already_stay(crates: FixtureCrates, nats: Nats, etcd: Etcd) {
    nothing_is_left(&crates, &Backend::external(nats.url(), etcd.endpoints()));
    for url in [nats.url(), &etcd.endpoints()[0]] {
        let (_, authority) = url.split_once("://").unwrap();
        TcpStream::connect(authority).unwrap();
    }
}

/// Has a run end in each way, several at the same time.
fn nothing_is_left(crates: &FixtureCrates, backend: &Backend<'_>) {
    let cargo = stand_in_for_cargo(crates, env!("CARGO_BIN_EXE_services"), &[CASE]);
    let at_once = match backend {
        // One case at a time may have somebody's server.
        Backend::External { .. } => 1,
        // The engine takes its time for each.
        Backend::Docker(_) => 3,
        Backend::Process => ENDINGS.len(),
    };
    for (number, endings) in ENDINGS.chunks(at_once).enumerate() {
        thread::scope(|scope| {
            for (which, ending) in endings.iter().enumerate() {
                let cargo = ending.under_cargo.then_some(&*cargo);
                scope.spawn(move || {
                    let mut run = Run::start(crates, backend, number * at_once + which, cargo);
                    (ending.end)(&run);
                    run.is_gone(backend, ending);
                });
            }
        });
    }
    wait_for("no folder is left", || crates.leftovers().is_empty());
}

/// A run in the middle of its case.
struct Run {
    /// The run's root, which leads a process group as a shell's job does.
    child: Child,
    announcement: PathBuf,
}

impl Run {
    /// Starts one, by this cargo or by itself.
    fn start(
        crates: &FixtureCrates,
        backend: &Backend<'_>,
        number: usize,
        cargo: Option<&Path>,
    ) -> Self {
        let announcement = crates.path(&format!("announcement-{number}"));
        let mut command = match cargo {
            Some(cargo) => crates.command(cargo),
            None => {
                let mut binary = crates.command(env!("CARGO_BIN_EXE_services"));
                binary.arg(CASE);
                binary
            }
        };
        backend.provide(crates, &mut command);
        let child = command
            .env(ANNOUNCE, &announcement)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        wait_for("the case announces itself", || announcement.exists());
        let expected = if let Backend::Docker(_) = backend { 2 } else { 0 };
        assert_eq!(backend.containers_of(child.id()).len(), expected);
        Self { child, announcement }
    }

    /// The process of the run that has this in its command.
    fn process(&self, word: &str) -> Option<u32> {
        let all = processes(&self.announcement);
        all.into_iter().find(|(command, _)| command.contains(word)).map(|(_, pid)| pid)
    }

    /// Waits until nothing is left of the servers and of who saw to them, and then of the run.
    fn is_gone(&mut self, backend: &Backend<'_>, &Ending { name, case_goes_on, .. }: &Ending) {
        let root = self.child.id();
        wait_for(&format!("no container is left: {name}"), || {
            backend.containers_of(root).is_empty()
        });
        let of_servers = ["nats-server ", "etcd ", " reaper ", "--dynamo-test-supervisor"];
        wait_for(&format!("no server is left: {name}"), || {
            of_servers.iter().all(|word| self.process(word).is_none())
        });
        if case_goes_on {
            let controller = self.process(&format!("{} {CASE}", env!("CARGO_BIN_EXE_services")));
            signal("TERM", controller.expect("the test binary runs"));
        }
        self.child.wait().unwrap();
        wait_for(&format!("no process is left: {name}"), || {
            processes(&self.announcement).is_empty()
        });
    }
}
