//! Where the servers of a service come from: somebody else's, programs of this machine, or containers.

#[cfg(feature = "containers")]
use std::env;
use std::fmt;

use clap::ValueEnum;
use serde::Deserialize;

use super::ServiceError;
use super::external::External;
use super::kind::{Kind, Want};
use super::spec::{Mode, ServerSpec, Source};
#[cfg(feature = "containers")]
use super::wire::ServerError;
use crate::config;

/// A choice of where servers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backend {
    /// External if one is named, else processes if there is the program, else containers.
    Auto,
    /// Child processes.
    Process,
    /// Containers.
    Docker,
    /// Servers that run already, and stay.
    External,
}

impl std::str::FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ValueEnum::from_str(text, false)
    }
}

/// What was chosen, for the run and for each service.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    /// By a flag or variable.
    asked: Option<Backend>,
    config: config::Services,
}

/// Where the server comes from that a case wants.
pub(super) enum Origin {
    /// The supervisor starts it.
    Started(ServerSpec),
    /// It is there.
    External(External),
}

/// Why `auto` found nothing, after why there is no process.
#[derive(Clone, Debug)]
pub(crate) struct AlsoLookedFor {
    /// Would name an external server.
    variable: &'static str,
    /// What is in the way of containers.
    containers: String,
}

impl fmt::Display for AlsoLookedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, containers } = self;
        write!(f, "nor does ${variable} name a server that runs already; {containers}")
    }
}

impl Origins {
    pub(crate) fn new(asked: Option<Backend>, config: &config::Services) -> Self {
        Self { asked, config: config.clone() }
    }

    /// Where a server comes from.
    pub(super) fn of(&self, want: &Want) -> Result<Origin, ServiceError> {
        let kind = want.kind;
        match self.backend(kind) {
            Backend::Process => self.process(want),
            Backend::Docker => self.container(want),
            Backend::External => match self.external(kind)? {
                Some(external) => Ok(Origin::External(external)),
                None => Err(ServiceError::NotNamed {
                    service: kind.name(),
                    variable: external_variable(kind),
                }),
            },
            Backend::Auto => {
                if let Some(external) = self.external(kind)? {
                    return Ok(Origin::External(external));
                }
                match self.process(want) {
                    Err(missing @ ServiceError::NotFound { .. }) => {
                        let container = self.container(want).and_then(|container| {
                            engine_answers()?;
                            Ok(container)
                        });
                        container.map_err(|error| ServiceError::Nowhere {
                            missing: Box::new(missing),
                            also: AlsoLookedFor {
                                variable: external_variable(kind),
                                containers: error.to_string(),
                            },
                        })
                    }
                    found => found,
                }
            }
        }
    }

    /// Why a case cannot have what it wants, where that is no error: somebody else's server is not its to use so.
    pub(crate) fn lack<'a>(&self, wants: impl IntoIterator<Item = &'a Want>) -> Option<String> {
        wants.into_iter().find_map(|want| {
            if want.mode == Mode::Cluster && self.backend(want.kind) == Backend::Docker {
                let service = want.kind.name();
                return Some(ServiceError::NoCluster { service }.to_string());
            }
            self.borrowed(want.kind)?.refuse(want).map(|refusal| refusal.to_string())
        })
    }

    /// Why a case cannot have all that it wants at once, whether it could do without or not: it would wait for itself.
    pub(crate) fn conflict<'a>(
        &self,
        wants: impl Iterator<Item = &'a Want> + Clone,
    ) -> Option<String> {
        let of = |mode| wants.clone().filter(move |want| want.mode == mode);
        of(Mode::Exclusive).find_map(|alone| {
            let external = self.borrowed(alone.kind)?;
            of(Mode::Shared).find(|shared| shared.kind.name() == alone.kind.name())?;
            (external.refuse(alone).is_none()).then(|| {
                let (server, authority) = (alone.kind.server(), external.authority.clone());
                ServiceError::OnlyOne { server, authority }.to_string()
            })
        })
    }

    /// Somebody else's server, where the service's servers are such. One that cannot be had is the case's to report.
    fn borrowed(&self, kind: &dyn Kind) -> Option<External> {
        match self.backend(kind) {
            Backend::External | Backend::Auto => self.external(kind).ok()?,
            Backend::Process | Backend::Docker => None,
        }
    }

    fn backend(&self, kind: &dyn Kind) -> Backend {
        if kind.external().is_none() {
            return Backend::Process;
        }
        let section = self.config.of(kind.name());
        self.asked.or(section.and_then(|section| section.backend)).unwrap_or(self.config.backend)
    }

    fn external(&self, kind: &dyn Kind) -> Result<Option<External>, ServiceError> {
        match kind.external() {
            Some(names) => External::of(kind.name(), &names, self.config.of(kind.name())),
            None => Ok(None),
        }
    }

    fn process(&self, want: &Want) -> Result<Origin, ServiceError> {
        let kind = want.kind;
        let named = self.config.of(kind.name()).and_then(|section| section.program.as_deref());
        let (name, source) = if want.mode == Mode::Cluster {
            let service = kind.name();
            let members = kind.cluster(named)?.ok_or(ServiceError::NoCluster { service })?;
            (format!("{} cluster", kind.server()), Source::Group(members))
        } else {
            (kind.server().into(), Source::Process(kind.process(named)?))
        };
        Ok(Origin::Started(ServerSpec { name, source }))
    }

    #[cfg(feature = "containers")]
    fn container(&self, want: &Want) -> Result<Origin, ServiceError> {
        let kind = want.kind;
        if want.mode == Mode::Cluster {
            return Err(ServiceError::NoCluster { service: kind.name() });
        }
        let official = kind.container();
        let mut container = official.ok_or(ServiceError::NoImage { service: kind.name() })?;
        let variable = env::var(&container.variable).ok().filter(|image| !image.is_empty());
        let section = self.config.of(kind.name());
        if let Some(image) = variable.or_else(|| section?.image.clone()) {
            container.image = image;
        }
        let source = Source::Container(container);
        Ok(Origin::Started(ServerSpec { name: kind.server().into(), source }))
    }

    #[cfg(not(feature = "containers"))]
    fn container(&self, _want: &Want) -> Result<Origin, ServiceError> {
        Err(ServiceError::NoContainers)
    }
}

fn external_variable(kind: &dyn Kind) -> &'static str {
    kind.external().map_or("", |names| names.variable)
}

/// Whether containers can be had at all.
fn engine_answers() -> Result<(), ServiceError> {
    #[cfg(feature = "containers")]
    super::supervisor::engine_answers().map_err(ServerError::from)?;
    Ok(())
}
