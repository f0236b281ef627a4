//! Locks on byte ranges of a file that belong to an open file description: the kernel drops them when it is closed,
//! however its process ends, and two of them conflict within one process, too.

use std::fs::File;
use std::io;
use std::ops::Range;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_UNLCK, F_WRLCK, SEEK_SET, flock};

/// Locks a range for this description alone; false where another one holds a part of it.
pub(super) fn try_lock(file: &File, range: &Range<u64>) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock(F_WRLCK, range))) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Drops what this description holds. Closing would do it, too, but not while a child between fork and exec still
/// has a copy.
pub(super) fn unlock_all(file: &File) {
    // Nothing can be done about a failure; closing the file remains.
    let _ = fcntl(file, FcntlArg::F_OFD_SETLK(&lock(F_UNLCK, &(0..u64::MAX >> 1))));
}

/// What other descriptions hold of a range.
pub(super) fn held_by_others(file: &File, within: Range<u64>) -> io::Result<Vec<Range<u64>>> {
    let mut held = Vec::new();
    let mut ask = vec![within];
    while let Some(range) = ask.pop() {
        if range.is_empty() {
            continue;
        }
        let mut found = lock(F_WRLCK, &range);
        fcntl(file, FcntlArg::F_OFD_GETLK(&mut found))?;
        if found.l_type == F_UNLCK as i16 {
            continue;
        }
        // It names one lock of possibly several, in no order, and that may reach beyond what was asked.
        let start = (found.l_start as u64).max(range.start);
        let end = match found.l_len {
            0 => range.end,
            length => ((found.l_start + length) as u64).min(range.end),
        };
        ask.push(range.start..start);
        ask.push(end..range.end);
        held.push(start..end);
    }
    held.sort_unstable_by_key(|range| range.start);
    Ok(held)
}

/// The ranges of `within` that are not in `held`, which is in order.
pub(super) fn gaps(held: &[Range<u64>], within: Range<u64>) -> Vec<Range<u64>> {
    let mut gaps = Vec::new();
    let mut next = within.start;
    for range in held {
        if range.start > next {
            gaps.push(next..range.start);
        }
        next = next.max(range.end);
    }
    if next < within.end {
        gaps.push(next..within.end);
    }
    gaps
}

fn lock(kind: i32, range: &Range<u64>) -> flock {
    // File offsets are signed; ours are far below their end.
    flock {
        l_type: kind as i16,
        l_whence: SEEK_SET as i16,
        l_start: range.start as i64,
        l_len: (range.end - range.start) as i64,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn what_others_hold_is_what_they_locked(folder: TempDir) {
        let path = folder.path().join("file");
        let open = || File::options().read(true).append(true).create(true).open(&path).unwrap();
        let one_range = (0..200u64, 1..40u64).prop_map(|(start, length)| start..start + length);
        proptest!(|(ranges in prop::collection::vec(one_range, 0..12))| {
            let mut owners = Vec::new();
            let mut locked = BTreeSet::new();
            for range in &ranges {
                let owner = open();
                let free = range.clone().all(|byte| !locked.contains(&byte));
                prop_assert_eq!(try_lock(&owner, range).unwrap(), free);
                if free {
                    locked.extend(range.clone());
                    owners.push(owner);
                }
            }
            let held = held_by_others(&open(), 0..240).unwrap();
            let held_bytes: BTreeSet<u64> = held.iter().cloned().flatten().collect();
            prop_assert_eq!(&held_bytes, &locked);
            let free: u64 = gaps(&held, 0..240).iter().map(|gap| gap.end - gap.start).sum();
            prop_assert_eq!(free as usize, 240 - locked.len());
            owners.iter().for_each(unlock_all);
            prop_assert!(held_by_others(&open(), 0..240).unwrap().is_empty());
        });
    }
}
