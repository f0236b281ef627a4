//! Models and their token: found where Hugging Face's libraries find them, skipped where they cannot be had, never
//! shown.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use dynamo_test::prelude::*;

use crate::fixture_crate::{FixtureCrates, Ran};

suite!(integration, premerge);

const CASES: [&str; 2] = ["models::one_is_required", "models::one_is_required_in_a_sync_test"];

/// The command that runs cases with models, without any settings of the user's.
fn command(crates: &FixtureCrates) -> Command {
    let mut command = crates.command(env!("CARGO_BIN_EXE_processes"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_uppercase();
        let settings = ["HF_", "HUGGING", "TRANSFORMERS_", "XDG_"];
        if settings.iter().any(|prefix| text.starts_with(prefix)) || text.ends_with("_PROXY") {
            command.env_remove(&name);
        }
    }
    command.env("HF_HOME", crates.path("home"));
    command
}

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A cache, as a download leaves it, with the model that the cases require.
fn cached(hub: &Path) -> PathBuf {
    let repository = hub.join("models--dynamo--tiny");
    let snapshot = repository.join("snapshots/abc123");
    for folder in ["refs", "blobs"] {
        fs::create_dir_all(repository.join(folder)).unwrap();
    }
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(repository.join("refs/main"), "abc123").unwrap();
    fs::write(repository.join("blobs/f00"), "{}").unwrap();
    symlink("../../blobs/f00", snapshot.join("config.json")).unwrap();
    snapshot
}

/// Asserts that the cases that require a model skipped themselves for a reason.
fn assert_skipped(ran: &Ran, reason: &str) {
    for case in CASES {
        let verdict = ran.verdict(case);
        assert!(verdict.starts_with("ignored (needs the model dynamo/tiny: "), "{verdict}");
        assert!(verdict.contains(reason), "{verdict}");
    }
}

#[dynamo_test]
fn a_cached_model_is_found_wherever_the_environment_has_the_cache(crates: FixtureCrates) {
    let with = |variable: &str, folder: &str, hub: &str| {
        let snapshot = cached(&crates.path(hub));
        let mut command = command(&crates);
        command.env_remove("HF_HOME").env(variable, crates.path(folder));
        command.env("HF_ENDPOINT", nobody()).args(["models::one_is", "--show-output"]);
        let ran = FixtureCrates::finish(&mut command);
        assert_eq!(ran.passed(), CASES, "{variable}: {}", ran.stdout);
        let found = format!("dynamo/tiny in Some({snapshot:?})");
        assert!(ran.stdout.contains(&found), "{variable}: {}", ran.stdout);
    };
    with("HF_HUB_CACHE", "cache", "cache");
    with("HF_HOME", "hf", "hf/hub");
    with("XDG_CACHE_HOME", "xdg", "xdg/huggingface/hub");
    with("HOME", "user", "user/.cache/huggingface/hub");
}

#[dynamo_test]
fn one_that_is_neither_cached_nor_reachable_skips_the_case(crates: FixtureCrates) {
    let endpoint = nobody();
    let mut command = command(&crates);
    command.env("HF_ENDPOINT", &endpoint).args(["models::one_is", "models::a_path_is_no_name"]);
    let ran = FixtureCrates::finish(&mut command);
    assert_eq!(ran.code, Some(0), "{}", ran.stdout);
    assert_eq!(ran.passed(), ["models::a_path_is_no_name"]);
    let address = endpoint.trim_start_matches("http://");
    assert_skipped(&ran, &format!("{address} cannot be reached: Connection refused"));
    let folder = crates.path("home/hub");
    assert_skipped(&ran, &format!("it is not in {}", folder.display()));
}

#[dynamo_test]
fn an_interrupted_download_is_no_cached_model(crates: FixtureCrates) {
    let run = || {
        let mut command = command(&crates);
        command.env("HF_ENDPOINT", nobody()).arg("models::one_is");
        FixtureCrates::finish(&mut command)
    };
    let snapshot = cached(&crates.path("home/hub"));
    assert_eq!(run().passed(), CASES);
    let blobs = crates.path("home/hub/models--dynamo--tiny/blobs");
    fs::write(blobs.join("f01.incomplete"), "").unwrap();
    assert_skipped(&run(), "cannot be reached");
    fs::remove_file(blobs.join("f01.incomplete")).unwrap();
    assert_eq!(run().passed(), CASES);
    symlink("../../blobs/f01", snapshot.join("model.safetensors")).unwrap();
    assert_skipped(&run(), "cannot be reached");
}

#[dynamo_test]
fn one_that_can_be_downloaded_is_left_to_who_loads_it(crates: FixtureCrates) {
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hub.local_addr().unwrap());
    let run = |name: &str, value: &str| {
        let mut command = command(&crates);
        command.env("HF_ENDPOINT", &endpoint).env(name, value);
        FixtureCrates::finish(command.args(["models::one_is", "--show-output"]))
    };
    let ran = run("HF_HUB_OFFLINE", "0");
    assert_eq!(ran.passed(), CASES, "{}", ran.stdout);
    assert!(ran.stdout.contains("dynamo/tiny in None"), "{}", ran.stdout);
    for offline in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
        assert_skipped(&run(offline, "1"), &format!("{offline} forbids downloads"));
    }
}

#[dynamo_test]
fn a_proxy_is_what_must_be_reachable_and_its_password_is_not_told(crates: FixtureCrates) {
    let hub = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", hub.local_addr().unwrap());
    let proxy = nobody().replace("http://", "http://user:pass-word@");
    let run = |exceptions: &str| {
        let mut command = command(&crates);
        command.env("HF_ENDPOINT", &endpoint).env("http_proxy", &proxy);
        FixtureCrates::finish(command.env("no_proxy", exceptions).arg("models::one_is"))
    };
    let ran = run("");
    assert_skipped(&ran, "cannot be reached");
    assert!(!ran.stdout.contains("pass-word"), "{}", ran.stdout);
    assert_eq!(run("localhost,127.0.0.1").passed(), CASES);
}

#[dynamo_test]
fn the_token_is_shown_nowhere(crates: FixtureCrates) {
    let token = "hf_AbCdEfGhIjKlMnOp";
    fs::create_dir_all(crates.path("home")).unwrap();
    for from_file in [false, true] {
        let mut command = command(&crates);
        if from_file {
            fs::write(crates.path("home/token"), format!("{token}\n")).unwrap();
        } else {
            command.env("HF_TOKEN", token);
        }
        command.env("EXPECTED_TOKEN", token).arg("models::the_token_is_shown");
        let ran = FixtureCrates::finish(&mut command);
        let shown = ran.failure("models::the_token_is_shown");
        assert!(shown.contains("and panics with [HF_TOKEN]"), "{shown}");
        assert!(shown.contains("    a process prints [HF_TOKEN]"), "{shown}");
        assert!(!ran.stdout.contains(token) && !ran.stderr.contains(token), "{}", ran.stdout);
    }
    // The record, all of the output, and the process's log.
    let mut searched = 0;
    for folder in [crates.records(), crates.temp()] {
        let files = Command::new("find").arg(&folder).args(["-type", "f"]).output().unwrap();
        for file in String::from_utf8(files.stdout).unwrap().lines() {
            let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
            assert!(!text.contains(token), "{file}: {text}");
            searched += usize::from(text.contains("[HF_TOKEN]"));
        }
    }
    assert_eq!(searched, 6, "two runs leave three files each");
}
