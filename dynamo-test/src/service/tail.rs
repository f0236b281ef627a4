use std::fmt;

use serde::{Deserialize, Serialize};

/// A server's last lines, as an error quotes them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tail(pub(super) Vec<String>);

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("    (it printed nothing)");
        }
        let lines: Vec<String> = self.0.iter().map(|line| format!("    {line}")).collect();
        f.write_str(&lines.join("\n"))
    }
}
