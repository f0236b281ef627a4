//! What a lease says of its holder: for people, and to tell the holder's memory from that of others.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use crate::holder::Holder;

/// The bytes of a record in a GPU's file.
const LENGTH: usize = 2048;

/// Who holds a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) holder: Holder,
    /// The process that runs the case, once there is one.
    pub(crate) worker: Option<u32>,
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
            shorten(&mut record.holder.run, most);
            shorten(&mut record.holder.case, most);
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
        let record = |holder| Record { holder, worker: Some(8), vram_mib: None };
        let record = record(Holder { pid: 7, case: "größe\n\"".into(), ..Holder::default() });
        record.write(&file, 3).unwrap();
        assert_eq!(Record::read(&file, 3), Some(record));
        assert_eq!(Record::read(&file, 2), None);

        let long = |letter: &str| {
            let name = letter.repeat(10_000);
            let holder = Holder { run: name.clone(), case: name, ..Holder::default() };
            Record { holder, ..Record::default() }
        };
        for long in ["a", "ö", "\u{1f980}", "\u{1}"].map(long) {
            long.write(&file, 3).unwrap();
            let read = Record::read(&file, 3).expect("the record reads back");
            let (read, whole) = (read.holder.case, long.holder.case);
            assert!(!read.is_empty() && whole.starts_with(&read));
        }
    }
}
