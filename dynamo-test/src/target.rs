//! Which cargo target the test binary is.

use crate::case::Section;

/// What `main!` writes down of the target it stands in.
#[derive(Clone, Copy)]
pub struct Target {
    /// `CARGO_PKG_NAME`.
    pub package: &'static str,
    /// `CARGO_CRATE_NAME`.
    pub crate_name: &'static str,
    /// `CARGO_BIN_NAME`, which only a binary has.
    pub binary: Option<&'static str>,
    /// `CARGO_TARGET_TMPDIR`, which only an integration test has.
    pub target_tmpdir: Option<&'static str>,
    /// Where the binary has its definitions.
    pub section: &'static Section,
}

impl Target {
    /// The flags by which cargo finds it: `--lib`, `--test NAME`.
    pub(crate) fn flags(&self) -> String {
        match (self.binary, self.target_tmpdir) {
            (Some(binary), _) => format!("--bin {binary}"),
            // Cargo takes a pattern; whether the target's name has `-` or `_` here, the crate's does not tell.
            (None, Some(_)) if self.crate_name.contains('_') => {
                format!("--test '{}'", self.crate_name.replace('_', "?"))
            }
            (None, Some(_)) => format!("--test {}", self.crate_name),
            (None, None) => "--lib".into(),
        }
    }

    /// The command that runs one case again, with the run's seed where the case depends on it.
    pub(crate) fn rerun(
        &self,
        case: &str,
        seed: Option<u64>,
        ignored: bool,
        strict: bool,
    ) -> String {
        let strict = if strict { " --strict" } else { "" };
        let seed = seed.map(|seed| format!(" --seed {seed}")).unwrap_or_default();
        let ignored = if ignored { " --ignored" } else { "" };
        format!(
            "cargo test -p {} {} -- --exact {case}{ignored}{strict}{seed}",
            self.package,
            self.flags()
        )
    }
}
