/// What a NATS server demands of its clients: [`NatsConfig::CREDENTIALS`](crate::NatsConfig::CREDENTIALS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NatsCredentials {
    /// A user's name and password, which [`Nats::url`](crate::Nats::url) holds, and
    /// [`Nats::user_and_password`](crate::Nats::user_and_password) tells. Both consist of letters, digits and `-._~`.
    User {
        /// The user's name.
        name: &'static str,
        /// The user's password.
        password: &'static str,
    },
    /// A token, which [`Nats::url`](crate::Nats::url) holds. It consists of letters, digits and `-._~`.
    Token(&'static str),
    /// A pair of keys, as `nk -gen user -pubout` makes them.
    Nkey {
        /// The public key, which the server knows: `U…`.
        public: &'static str,
        /// The seed by which a client signs: `SU…`.
        seed: &'static str,
    },
    /// The path of a credentials file, as nsc makes them: [`Nats::credentials`](crate::Nats::credentials). The operator
    /// and account of its user are [`NatsConfig::EXTRA`](crate::NatsConfig::EXTRA)'s to declare.
    File(&'static str),
}

impl NatsCredentials {
    /// Whether a URL can hold what of them it must.
    pub(crate) const fn fit_into_a_url(&self) -> bool {
        match self {
            Self::User { name, password } => is_plain(name) && is_plain(password),
            Self::Token(token) => is_plain(token),
            Self::Nkey { .. } | Self::File(_) => true,
        }
    }
}

/// Whether a text stands for itself in a URL; clients differ in whether they decode what does not.
const fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if !bytes[index].is_ascii_alphanumeric()
            && !matches!(bytes[index], b'-' | b'.' | b'_' | b'~')
        {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty()
}

/// Who a URL says that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named<'a> {
    User { name: &'a str, password: &'a str },
    Token(&'a str),
    Nobody,
}

impl<'a> Named<'a> {
    /// `nats://user:password@…`, `nats://token@…`, or nobody.
    pub(crate) fn by(url: &'a str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let named = rest.split(['/', ',']).next().and_then(|first| first.rsplit_once('@'));
        match named.map(|(user, _)| user.split_once(':').ok_or(user)) {
            None => Self::Nobody,
            Some(Ok((name, password))) => Self::User { name, password },
            Some(Err(token)) => Self::Token(token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[dynamo_test]
    fn a_url_names_the_user() {
        let user = Named::User { name: "me", password: "secret" };
        assert_eq!(Named::by("nats://me:secret@host:4222,nats://other"), user);
        assert_eq!(Named::by("nats://token@host"), Named::Token("token"));
        assert_eq!(Named::by("nats://host:4222"), Named::Nobody);
    }

    #[dynamo_test]
    fn only_what_stands_for_itself_fits_into_a_url() {
        let user = |name, password| NatsCredentials::User { name, password }.fit_into_a_url();
        assert!(user("alice", "p-a.s_s~1"));
        assert!(!user("alice", "p@ss"));
        assert!(!user("", "pass"));
        assert!(!NatsCredentials::Token("a:b").fit_into_a_url());
    }
}
