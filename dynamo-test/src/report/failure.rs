use std::fmt::Write;

use super::FinishedCase;

/// What is shown of a case that did not pass: why, what it printed, what it left, and how to run it again.
pub(crate) fn failure_text(finished: &FinishedCase<'_>) -> String {
    let mut text = finished.outcome.headline();
    text.push('\n');
    if let Some(output) = finished.output {
        text.push_str("\noutput:\n");
        if output.omitted > 0 {
            let place =
                finished.whole_output.map(|path| format!("; all of it is in {}", path.display()));
            let place = place.unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = writeln!(text, "[{} bytes before this are left out{place}]", output.omitted);
        }
        text.push_str(output.text.trim_end());
        text.push('\n');
    }
    for log in finished.logs {
        // Where a process failed the case, they are told already.
        if !text.contains(&log.last_lines.to_string()) {
            let _ = write!(text, "\n{log}");
        }
    }
    if let Some(kept) = finished.kept {
        let _ = write!(text, "\nkept: {}", kept.display());
    }
    if finished.uses_seed {
        let _ = write!(text, "\nseed: {}", finished.seed);
    }
    if let Some(rerun) = finished.rerun {
        let _ = write!(text, "\nrerun: {rerun}");
    }
    text
}
