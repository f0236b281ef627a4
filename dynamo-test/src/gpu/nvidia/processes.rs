//! Which processes belong to a case: NVML tells memory by process, and a case may start many.

use std::collections::HashMap;
use std::fs;

/// Who started whom, as far as it was asked; read from `/proc` once for each process.
#[derive(Default)]
pub(crate) struct Tree {
    known: HashMap<u32, Option<Origin>>,
}

#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    group: u32,
}

impl Tree {
    /// Whether `pid` is `root`, in its process group, or descends from it.
    pub(crate) fn descends(&mut self, pid: u32, root: u32) -> bool {
        let mut next = pid;
        // Longer than any real line of ancestors: a process number may be used anew while we read.
        for _ in 0..1_000 {
            if next == root {
                return true;
            }
            match self.origin(next) {
                Some(origin) if origin.group == root => return true,
                Some(Origin { parent: 0, .. }) | None => return false,
                Some(origin) => next = origin.parent,
            }
        }
        false
    }

    fn origin(&mut self, pid: u32) -> Option<Origin> {
        *self.known.entry(pid).or_insert_with(|| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // The name, in parentheses, may hold anything.
            let (_, rest) = stat.rsplit_once(") ")?;
            let mut fields = rest.split(' ').skip(1);
            let mut number = || fields.next()?.parse().ok();
            Some(Origin { parent: number()?, group: number()? })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};

    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_child_descends_from_its_parent_and_not_the_other_way_round() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let mut tree = Tree::default();
        assert!(tree.descends(child.id(), id()));
        assert!(tree.descends(id(), id()));
        assert!(!tree.descends(1, id()));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
