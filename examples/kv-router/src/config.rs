//! Where the servers are and how the cluster behaves, from the environment.

use std::env::{self, VarError};
use std::num::{NonZeroU32, NonZeroUsize};
use std::str::FromStr;
use std::time::Duration;

/// What workers and routers of one cluster agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// URL of the NATS server, `$NATS_SERVER`.
    pub nats_server: String,
    /// URLs of the etcd members, `$ETCD_ENDPOINTS`, separated by commas.
    pub etcd_endpoints: Vec<String>,
    /// Tokens in one block of the KV cache, `$KV_ROUTER_BLOCK_SIZE`.
    pub block_size: NonZeroUsize,
    /// Seconds that a silent worker stays registered, `$KV_ROUTER_LEASE_TTL`.
    pub lease_ttl: NonZeroU32,
    /// How long a request may take, `$KV_ROUTER_REQUEST_TIMEOUT` in seconds.
    pub request_timeout: Duration,
}

/// A variable that [`Config::from_env`] cannot use.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConfigError {
    #[error("${name} is not valid unicode")]
    NotUnicode { name: &'static str },
    #[error("${name} is `{value}`: expected a whole number above 0")]
    NotANumber { name: &'static str, value: String },
    #[error("$ETCD_ENDPOINTS names no endpoint: expected URLs like http://localhost:2379")]
    NoEndpoints,
}

impl Config {
    /// A configuration for the given servers, with the defaults for the rest.
    pub fn new(
        nats_server: impl Into<String>,
        etcd_endpoints: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            nats_server: nats_server.into(),
            etcd_endpoints: etcd_endpoints.into_iter().map(Into::into).collect(),
            block_size: const { NonZeroUsize::new(16).unwrap() },
            lease_ttl: const { NonZeroU32::new(10).unwrap() },
            request_timeout: Duration::from_secs(30),
        }
    }

    /// Reads the environment; a variable that is not set has its default.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_lookup(env::var)
    }

    fn from_lookup(
        lookup: impl Fn(&'static str) -> Result<String, VarError>,
    ) -> Result<Self, ConfigError> {
        let text = |name| match lookup(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(ConfigError::NotUnicode { name }),
        };
        let nats = text("NATS_SERVER")?.unwrap_or_else(|| "nats://localhost:4222".into());
        let etcd = text("ETCD_ENDPOINTS")?.unwrap_or_else(|| "http://localhost:2379".into());
        let endpoints = etcd.split(',').map(str::trim).filter(|url| !url.is_empty());

        let mut config = Self::new(nats, endpoints);
        if config.etcd_endpoints.is_empty() {
            return Err(ConfigError::NoEndpoints);
        }
        if let Some(size) = number("KV_ROUTER_BLOCK_SIZE", text)? {
            config.block_size = size;
        }
        if let Some(seconds) = number("KV_ROUTER_LEASE_TTL", text)? {
            config.lease_ttl = seconds;
        }
        if let Some(seconds) = number::<NonZeroU32>("KV_ROUTER_REQUEST_TIMEOUT", text)? {
            config.request_timeout = Duration::from_secs(seconds.get().into());
        }
        Ok(config)
    }

    pub(crate) async fn nats(&self) -> Result<async_nats::Client, async_nats::ConnectError> {
        async_nats::connect(&self.nats_server).await
    }

    /// The client connects when it is first used. Without a timeout, a server
    /// that hangs makes its callers hang.
    pub(crate) async fn etcd(&self) -> Result<etcd_client::Client, etcd_client::Error> {
        let options = etcd_client::ConnectOptions::new()
            .with_timeout(Duration::from_secs(5))
            .with_keep_alive(Duration::from_secs(10), Duration::from_secs(5));
        etcd_client::Client::connect(&self.etcd_endpoints, Some(options)).await
    }
}

fn number<T: FromStr>(
    name: &'static str,
    text: impl Fn(&'static str) -> Result<Option<String>, ConfigError>,
) -> Result<Option<T>, ConfigError> {
    let Some(value) = text(name)? else {
        return Ok(None);
    };
    match value.trim().parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Err(ConfigError::NotANumber { name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_test::prelude::*;

    fn config(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        Config::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned()).ok_or(VarError::NotPresent)
        })
    }

    #[dynamo_test(unit)]
    fn an_empty_environment_means_servers_on_this_machine() {
        let expected = Config::new("nats://localhost:4222", ["http://localhost:2379"]);
        assert_eq!(config(&[]), Ok(expected));
    }

    #[dynamo_test(unit)]
    fn etcd_endpoints_are_separated_by_commas() {
        let config = config(&[("ETCD_ENDPOINTS", "http://a:2379, http://b:2379,")]).unwrap();
        assert_eq!(config.etcd_endpoints, ["http://a:2379", "http://b:2379"]);
    }

    #[dynamo_test(unit)]
    fn an_empty_list_of_endpoints_is_refused() {
        let error = config(&[("ETCD_ENDPOINTS", " , ")]).unwrap_err();
        assert_eq!(error, ConfigError::NoEndpoints);
    }

    #[dynamo_test(unit)]
    fn a_number_that_is_none_is_named_with_its_variable() {
        let error = config(&[("KV_ROUTER_LEASE_TTL", "0")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "$KV_ROUTER_LEASE_TTL is `0`: expected a whole number above 0"
        );
    }
}
