//! What a case prints: a file that the worker appends to and the controller reads.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::secrets::{self, Masked};

/// How much of a case's output is kept in memory and shown: its end. All of it is in a file beside the record.
const SHOWN: u64 = 64 * 1024;

/// The file behind a worker's standard output and error; it has no name, so nobody has to remove it.
pub(super) struct Capture {
    file: File,
}

/// What a case printed.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Output {
    /// The end of it.
    pub(crate) text: String,
    /// How many bytes stood before `text`.
    #[serde(rename = "omitted_bytes")]
    pub(crate) omitted: u64,
}

impl Capture {
    /// Makes the file in `folder`, which is made too, or in the temporary one if that cannot be written.
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        Self::make(folder).or_else(|_| Self::make(&std::env::temp_dir()))
    }

    fn make(folder: &Path) -> io::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{}-{number}.capture", std::process::id()));
        let made = fs::create_dir_all(folder)
            .and_then(|()| File::options().read(true).append(true).create_new(true).open(&path))
            .and_then(|file| fs::remove_file(&path).map(|()| file));
        match made {
            Ok(file) => Ok(Self { file }),
            Err(error) => Err(io::Error::other(format!(
                "no file for its output could be made at {}: {error} (TMPDIR names another place)",
                path.display()
            ))),
        }
    }

    /// A handle for a worker's standard stream.
    pub(super) fn stream(&self) -> io::Result<Stdio> {
        Ok(self.file.try_clone()?.into())
    }

    /// How much was printed.
    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// What was printed in this range. Where only the end is returned and `whole` names a file, all of it goes there.
    pub(super) fn read(&self, range: Range<u64>, whole: Option<&Path>) -> io::Result<Output> {
        let Range { start, end } = range;
        let length = end.saturating_sub(start);
        if length == 0 {
            return Ok(Output::default());
        }
        let omitted = length.saturating_sub(SHOWN);
        let mut bytes = vec![0; (length - omitted) as usize];
        // A test may have cut it short.
        let read = self.file.read_at(&mut bytes, start + omitted)?;
        bytes.truncate(read);
        if let (Some(path), true) = (whole, omitted > 0) {
            // Its end is more than nothing.
            if let Err(error) = copy(&self.file, start..end, path) {
                eprintln!("dynamo-test: {} cannot be written: {error}", path.display());
            }
        }
        let text = secrets::mask(&String::from_utf8_lossy(&bytes)).into_owned();
        Ok(Output { text, omitted })
    }

    /// Forgets all that was printed.
    pub(super) fn empty(&self) -> io::Result<()> {
        self.file.set_len(0)
    }
}

fn copy(from: &File, range: Range<u64>, path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut to = Masked::new(File::create(path)?);
    let mut buffer = vec![0; SHOWN as usize];
    let Range { start: mut position, end } = range;
    while position < end {
        let most = buffer.len().min((end - position) as usize);
        let read = from.read_at(&mut buffer[..most], position)?;
        if read == 0 {
            break;
        }
        to.write(&buffer[..read])?;
        position += read as u64;
    }
    to.end()
}
