use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::marker::vocabulary::nearest;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{}:{}: {message}{shown}", path.display(), shown.line)]
    Wrong { path: PathBuf, message: String, shown: Shown },
}

/// A part of a file, to be pointed at.
#[derive(Debug)]
pub(crate) struct Shown {
    /// Counted from 1.
    line: usize,
    text: String,
    /// In characters.
    column: usize,
    width: usize,
    help: String,
}

impl ConfigError {
    pub(super) fn new(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let message = error.message();
        // In serde's words: "unknown field `a`, expected one of `b`, `c`".
        let (message, help) = match message.strip_prefix("unknown field ") {
            Some(names) => {
                let mut names = names.split('`').skip(1).step_by(2);
                let unknown = names.next().unwrap_or_default();
                (format!("no key `{unknown}`"), help(unknown, names.collect()))
            }
            None => (message.to_owned(), String::new()),
        };
        let span = error.span().unwrap_or_default();
        let (before, marked) = (&text[..span.start], &text[span.clone()]);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let shown = Shown {
            line: before.matches('\n').count() + 1,
            text: text[line_start..].lines().next().unwrap_or_default().to_owned(),
            column: text[line_start..span.start].chars().count(),
            width: marked.lines().next().map_or(1, |marked| marked.chars().count().max(1)),
            help,
        };
        Self::Wrong { path: path.into(), message, shown }
    }
}

fn help(unknown: &str, known: Vec<&str>) -> String {
    match nearest(unknown, known.iter().copied()) {
        Some(near) => format!(" did you mean `{near}`?"),
        None => format!(" there are {}", known.join(", ")),
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, column, width, help, .. } = self;
        write!(f, "\n  {text}\n  {:column$}{}{help}", "", "^".repeat(*width))
    }
}
