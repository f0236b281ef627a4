use super::NatsCredentials;
use super::account::{self, ACCOUNTS};

/// How a nats-server is configured beyond what every one is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NatsSettings {
    /// How many bytes JetStream may hold in memory, and in files.
    pub(crate) max_memory: Option<u64>,
    pub(crate) max_storage: Option<u64>,
    pub(crate) credentials: Option<NatsCredentials>,
    /// Further text of the configuration file.
    pub(crate) extra: &'static str,
}

/// The configuration file that the server is started with.
pub(super) const FILE: &str = "server.conf";

impl NatsSettings {
    /// Whether a wipe gets at all that a case may leave. What further text brings into being nobody knows, and the
    /// harness signs nothing, so it does not get in by keys.
    pub(super) fn can_be_wiped(&self) -> bool {
        use NatsCredentials::{Token, User};
        self.extra.is_empty() && matches!(self.credentials, None | Some(User { .. } | Token(_)))
    }

    /// The configuration, as names and texts of files that lie beside each other; none if there is nothing to say.
    ///
    /// The project's own text is a file by itself, included last: what it says takes the place of what is said before,
    /// and the server's complaints about it name the type that it belongs to, and its lines.
    pub(super) fn files(&self, name: &str, shared: bool) -> Vec<(String, String)> {
        let mut text = self.limits(shared);
        match shared {
            true => text.push_str(&self.accounts()),
            false => text.push_str(&self.authorization()),
        }
        let mut files = Vec::new();
        if !self.extra.is_empty() {
            let file = format!("{}.conf", short(name));
            text.push_str(&format!("include \"./{file}\"\n"));
            files.push((file, self.extra.to_owned()));
        }
        if !text.is_empty() {
            files.push((FILE.into(), text));
        }
        files
    }

    /// Those of the server. Of a shared one each account has its own, and the server enough for all.
    fn limits(&self, shared: bool) -> String {
        let cases = if shared { u64::from(ACCOUNTS) } else { 1 };
        let limit = |key, limit: Option<u64>| {
            limit.map(|bytes| format!(" {key}: {}\n", bytes.saturating_mul(cases)))
        };
        let limits =
            [limit("max_memory_store", self.max_memory), limit("max_file_store", self.max_storage)];
        let limits: String = limits.into_iter().flatten().collect();
        if limits.is_empty() { limits } else { format!("jetstream {{\n{limits}}}\n") }
    }

    fn authorization(&self) -> String {
        let demand = match self.credentials {
            Some(NatsCredentials::User { name, password }) => {
                format!("user: \"{name}\", password: \"{password}\"")
            }
            Some(NatsCredentials::Token(token)) => format!("token: \"{token}\""),
            Some(NatsCredentials::Nkey { public, .. }) => {
                format!("users: [ {{ nkey: \"{public}\" }} ]")
            }
            // An operator's are declared by the text.
            Some(NatsCredentials::File(_)) | None => return String::new(),
        };
        format!("authorization {{ {demand} }}\n")
    }

    fn accounts(&self) -> String {
        let limit = |key, limit: Option<u64>| limit.map(|bytes| format!(" {key}: {bytes}\n"));
        let limits = [limit("max_mem", self.max_memory), limit("max_file", self.max_storage)];
        let limits: String = limits.into_iter().flatten().collect();
        let jetstream =
            if limits.is_empty() { "enabled".into() } else { format!("{{\n{limits}}}") };
        let accounts = (0..ACCOUNTS).map(account::name).map(|name| {
            format!(
                " {name} {{ jetstream: {jetstream}, users: [ {{ user: \"{name}\", password: \"{name}\" }} ] }}\n"
            )
        });
        format!("accounts {{\n{}}}\n", accounts.collect::<String>())
    }
}

/// A type's name without its path and parameters.
fn short(name: &str) -> &str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    const USUAL: NatsSettings =
        NatsSettings { max_memory: None, max_storage: None, credentials: None, extra: "" };

    #[dynamo_test]
    fn a_usual_server_has_no_file() {
        assert_eq!(USUAL.files("()", false), []);
    }

    #[dynamo_test]
    fn what_is_asked_for_is_in_the_file_and_the_text_in_one_of_its_own() {
        let token = NatsCredentials::Token("t0ken");
        let settings = NatsSettings {
            max_memory: Some(1024),
            credentials: Some(token),
            extra: "max_payload: 1MB\n",
            ..USUAL
        };
        let [text, file] = &settings.files("a::b::Small<c::D>", false)[..] else { panic!() };
        assert_eq!(*text, ("Small.conf".into(), "max_payload: 1MB\n".into()));
        let expected = "jetstream {\n max_memory_store: 1024\n}\nauthorization { token: \"t0ken\" }\ninclude \"./Small.conf\"\n";
        assert_eq!(*file, (FILE.into(), expected.into()));
    }

    #[dynamo_test]
    fn each_account_of_a_shared_server_has_the_limit_and_the_server_room_for_all() {
        let settings = NatsSettings { max_storage: Some(10), ..USUAL };
        let files = settings.files("Small", true);
        let text = &files[0].1;
        assert!(text.contains(&format!("max_file_store: {}", 10 * ACCOUNTS)), "{text}");
        assert_eq!(text.matches("max_file: 10").count(), ACCOUNTS as usize);
    }
}
