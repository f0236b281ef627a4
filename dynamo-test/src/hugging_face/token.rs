use std::fs;

use super::{home, variable};

/// The variables that hold the token, the current one first.
const VARIABLES: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];

/// The token that Hugging Face's libraries would use.
pub(crate) fn token() -> Option<String> {
    tokens().next()
}

/// All tokens that there are: any of them must stay hidden.
pub(crate) fn tokens() -> impl Iterator<Item = String> {
    VARIABLES.into_iter().filter_map(variable).chain(std::iter::once_with(from_file).flatten())
}

/// What `hf auth login` wrote.
fn from_file() -> Option<String> {
    let path = variable("HF_TOKEN_PATH").map_or_else(|| home().join("token"), Into::into);
    let token = fs::read_to_string(path).ok()?;
    Some(token.trim().to_owned()).filter(|token| !token.is_empty())
}
