//! The accounts of a server that several cases use at once: each sees its own streams and subjects alone.

/// How many a server has. Each makes its start half a millisecond longer.
pub(super) const ACCOUNTS: u32 = 16;

/// An account's name, which is also its user's, and the password.
pub(super) fn name(number: u32) -> String {
    format!("case-{number}")
}
