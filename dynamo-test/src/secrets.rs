//! What must not be shown: tokens that cases have in their environment. Whatever a case said passes through [`mask`]
//! before it reaches a report, an event or a file.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::OnceLock;

use crate::hugging_face;

/// Shorter values are no secrets, and would be found where they are not meant.
const SHORTEST: usize = 8;

/// A value that must not be shown, and what is shown instead.
struct Secret {
    value: String,
    shown: &'static str,
}

/// The secrets of this process's environment, looked up once.
fn known() -> &'static [Secret] {
    static KNOWN: OnceLock<Vec<Secret>> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let tokens = hugging_face::tokens().filter(|value| value.len() >= SHORTEST);
        tokens.map(|value| Secret { value, shown: "[HF_TOKEN]" }).collect()
    })
}

/// The text with every secret in it replaced by its name.
pub(crate) fn mask(text: &str) -> Cow<'_, str> {
    let mut masked = Cow::Borrowed(text);
    for Secret { value, shown } in known() {
        if masked.contains(value.as_str()) {
            masked = Cow::Owned(masked.replace(value.as_str(), shown));
        }
    }
    masked
}

/// Masks a text in place.
pub(crate) fn mask_in(text: &mut String) {
    if let Cow::Owned(masked) = mask(text) {
        *text = masked;
    }
}

/// A line that grows longer is written in pieces.
const LONGEST_HELD: usize = 64 * 1024;

/// Writes a stream of text, its secrets masked: line by line, because half a secret is not seen to be one.
pub(crate) struct Masked<W: Write> {
    to: W,
    held: Vec<u8>,
}

impl<W: Write> Masked<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, held: Vec::new() }
    }

    /// Writes this, up to the end of its last line; the rest waits for more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if known().is_empty() {
            return self.to.write_all(bytes);
        }
        self.held.extend_from_slice(bytes);
        // Progress bars end their lines with a carriage return.
        let end = self.held.iter().rposition(|byte| matches!(byte, b'\n' | b'\r'));
        match end {
            None if self.held.len() < LONGEST_HELD => Ok(()),
            None => self.end(),
            Some(end) => {
                let rest = self.held.split_off(end + 1);
                let written = self.end();
                self.held = rest;
                written
            }
        }
    }

    /// Writes what waits.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        let held = std::mem::take(&mut self.held);
        self.to.write_all(mask(&String::from_utf8_lossy(&held)).as_bytes())
    }
}
