//! What a lease says of its holder: for people, and to tell the holder's memory from that of others. Whether it is
//! still held, only its lock tells.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

/// The bytes of a record in a GPU's file.
const LENGTH: usize = 2048;

/// Who holds a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The process that holds it.
    pub(crate) pid: u32,
    /// The process that runs the case, once there is one.
    pub(crate) worker: Option<u32>,
    /// What the run is of.
    pub(crate) run: String,
    pub(crate) case: String,
    /// Milliseconds since 1970.
    pub(crate) since: u64,
    /// What it may use, in MiB; none means the whole card.
    pub(crate) vram_mib: Option<u64>,
}

impl Record {
    pub(super) fn write(&self, file: &File, place: u64) -> io::Result<()> {
        let mut record = self.clone();
        let mut bytes = serde_json::to_vec(&record)?;
        // Names are the only part that may be long, and in JSON a character may take many bytes.
        let mut most = LENGTH;
        while bytes.len() > LENGTH {
            most /= 2;
            shorten(&mut record.run, most);
            shorten(&mut record.case, most);
            bytes = serde_json::to_vec(&record)?;
        }
        bytes.resize(LENGTH, b' ');
        file.write_all_at(&bytes, place * LENGTH as u64)
    }

    /// What stands there; nothing where it makes no sense.
    pub(super) fn read(file: &File, place: u64) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        file.read_exact_at(&mut bytes, place * LENGTH as u64).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

fn shorten(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_record_reads_back_whatever_its_names_hold(folder: TempDir) {
        let path = folder.path().join("file");
        let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        let record = Record { pid: 7, case: "größe\n\"".into(), ..Record::default() };
        record.write(&file, 3).unwrap();
        assert_eq!(Record::read(&file, 3), Some(record));
        assert_eq!(Record::read(&file, 2), None);

        let long = |letter: &str| Record {
            run: letter.repeat(10_000),
            case: letter.repeat(10_000),
            ..Record::default()
        };
        for long in ["a", "ö", "\u{1f980}", "\u{1}"].map(long) {
            long.write(&file, 3).unwrap();
            let read = Record::read(&file, 3).expect("the record reads back");
            assert!(!read.case.is_empty() && long.case.starts_with(&read.case));
        }
    }
}
