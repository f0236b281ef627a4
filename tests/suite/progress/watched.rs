//! A run on a terminal that somebody watches.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const COLUMNS: u16 = 200;
const LINES: u16 = 24;

/// A run whose standard error is a terminal.
pub(super) struct Watched {
    run: Child,
    terminal: File,
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Watched {
    /// Starts a run whose standard output is the terminal, too.
    pub(super) fn start(command: Command) -> Self {
        Self::open(command, None)
    }

    /// Starts a run whose standard output is a pipe.
    pub(super) fn start_with_pipe(command: Command) -> Self {
        Self::open(command, Some(Stdio::piped()))
    }

    fn open(mut command: Command, output: Option<Stdio>) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let size = Winsize { ws_row: LINES, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let path = std::ffi::OsStr::from_bytes(name.to_bytes());
        let theirs: OwnedFd = OpenOptions::new().read(true).write(true).open(path).unwrap().into();
        if !command.get_envs().any(|(variable, _)| variable == "TERM") {
            command.env("TERM", "xterm");
        }
        let output = output.unwrap_or_else(|| theirs.try_clone().unwrap().into());
        let run = command.stdout(output).stderr(theirs).spawn().unwrap();
        let screen = vt100::Parser::new(LINES, COLUMNS, 0);
        Self { run, terminal: terminal.into(), screen, bytes: Vec::new() }
    }

    /// Watches until the screen holds this.
    pub(super) fn see(&mut self, text: &str) {
        while !self.screen().contains(text) {
            assert!(self.watch(), "no {text:?} came on the screen:\n{}", self.screen());
        }
    }

    /// Watches on; whether there is more to come.
    fn watch(&mut self) -> bool {
        let mut buffer = [0; 4096];
        // A terminal that nobody has any longer is an error.
        let read = self.terminal.read(&mut buffer).unwrap_or(0);
        self.screen.process(&buffer[..read]);
        self.bytes.extend_from_slice(&buffer[..read]);
        read > 0
    }

    /// What is on the screen now.
    pub(super) fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// All that came on the screen, with what controls it.
    pub(super) fn bytes(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(super) fn stdout(&mut self) -> ChildStdout {
        self.run.stdout.take().unwrap()
    }

    /// What is on the screen when the run has ended well.
    pub(super) fn end(mut self) -> String {
        while self.watch() {}
        assert!(self.run.wait().unwrap().success());
        self.screen()
    }
}
