use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error;
use testcontainers::bollard::models::HostConfig;
use testcontainers::core::IntoContainerPort;
use testcontainers::core::client::docker_client_instance;
use testcontainers::core::error::ClientError;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};
use tokio::runtime::{Builder, Runtime};

use super::super::reaper::Reaper;
use super::error::{is_port_taken, reason};
use super::population::Population;
use super::{EngineError, Labels, reach, remover, sweep};
use crate::seed;
use crate::service::ancestry::Process;
use crate::service::spec::ContainerSpec;

/// How often a port may turn out to be somebody else's.
const ATTEMPTS: usize = 20;

/// Below the ports that the kernel gives to outgoing connections: a server that is restarted finds its port free.
const PORTS: Range<u16> = 20_000..32_768;

/// The Docker engine, as the owner of containers uses it.
pub(super) struct Engine {
    /// One thread, which lives as long as any container.
    pub(super) runtime: Runtime,
    pub(super) docker: Docker,
    pub(super) population: Population,
    /// Where its containers' ports are reached.
    host: String,
    labels: Labels,
    started: AtomicUsize,
}

/// A container that was started.
pub(super) struct Started {
    pub(super) container: ContainerAsync<GenericImage>,
    /// Where its server is reached: `host:port`.
    pub(super) authority: String,
}

impl Engine {
    /// Finds the engine, for containers of a run; removes what runs that are dead have left there.
    pub(super) fn find(run: &Process, reaper: &Arc<Reaper>) -> Result<Arc<Self>, EngineError> {
        let (runtime, docker) = connect()?;
        let host = runtime.block_on(reach::host(&docker));
        let labels = Labels::of_this_process(run);
        let population = Population::new(Arc::clone(reaper), remover::command(&labels));
        runtime.spawn(sweep::remove_stale(docker.clone()));
        let started = AtomicUsize::new(0);
        Ok(Arc::new(Self { runtime, docker, population, host, labels, started }))
    }

    /// The labels of its containers, as a remover is told them.
    pub(super) fn labels(&self) -> String {
        remover::told(&self.labels)
    }

    /// Starts a container, with its image pulled if need be.
    pub(super) fn start(&self, spec: &ContainerSpec) -> Result<Started, EngineError> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let start = Start {
            docker: self.docker.clone(),
            host: self.host.clone(),
            labels: self.labels.all(),
            name: self.labels.container_name(number),
            spec: spec.clone(),
        };
        self.population.grow();
        // A task of its own, because a start that is cancelled halfway leaves its container.
        let started = self.runtime.block_on(self.runtime.spawn(start.carry_out()));
        let started = started.unwrap_or_else(|error| {
            Err(EngineError::NotStarted { image: spec.image.clone(), error: error.to_string() })
        });
        started.inspect_err(|_| self.population.shrink())
    }
}

/// Connects to the engine, and sees that it answers.
pub(super) fn connect() -> Result<(Runtime, Docker), EngineError> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("containers")
        .enable_all()
        .build()
        .map_err(|error| EngineError::unreachable(&error))?;
    let docker = runtime.block_on(async {
        let docker = docker_client_instance().await.map_err(|error| match error {
            // Its own words are not worth more.
            ClientError::Init(error) => EngineError::unreachable(&error),
            error => EngineError::unreachable(&error),
        })?;
        docker.ping().await.map_err(|error| EngineError::unreachable(&error))?;
        Ok(docker)
    })?;
    Ok((runtime, docker))
}

/// A container's start.
struct Start {
    docker: Docker,
    host: String,
    labels: Vec<(&'static str, String)>,
    name: String,
    spec: ContainerSpec,
}

impl Start {
    async fn carry_out(self) -> Result<Started, EngineError> {
        self.provide_image().await?;
        let mut attempts = 0..ATTEMPTS;
        loop {
            attempts.next();
            let port = free_port().map_err(|error| self.failed(error.to_string()))?;
            match self.request(port).start().await {
                Ok(container) => {
                    let authority = format!("{}:{port}", self.host);
                    return Ok(Started { container, authority });
                }
                Err(error) => {
                    // testcontainers leaves one that could be created but not started.
                    sweep::remove(&self.docker, &self.name).await;
                    if attempts.is_empty() || !is_port_taken(&error) {
                        return Err(self.failed(reason(&error)));
                    }
                }
            }
        }
    }

    /// Pulls the image where the engine has none. testcontainers would, too, but not tell why it failed from why a
    /// start did.
    async fn provide_image(&self) -> Result<(), EngineError> {
        match self.docker.inspect_image(&self.spec.image).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            // Anything else that is wrong will show when it is used.
            _ => return Ok(()),
        }
        let pulled = self.image().pull_image().await;
        pulled.map(drop).map_err(|error| EngineError::NoImage {
            image: self.spec.image.clone(),
            error: reason(&error),
            variable: self.spec.variable.clone(),
        })
    }

    fn request(&self, port: u16) -> ContainerRequest<GenericImage> {
        let labels = self.labels.iter().map(|(label, value)| (*label, value));
        let request = self
            .image()
            // A port of our choice, because the engine would choose another one with each start.
            .with_mapped_port(port, self.spec.port.tcp())
            .with_cmd(&self.spec.command)
            .with_container_name(&self.name)
            .with_labels(labels);
        let request = match self.host.parse::<IpAddr>() {
            // The server is for nobody else.
            Ok(host) if host.is_loopback() => request.with_host_config_modifier(keep_local),
            _ => request,
        };
        let variables = self.spec.environment.iter();
        let request =
            variables.fold(request, |request, (name, value)| request.with_env_var(name, value));
        let files = self.spec.files.iter();
        files.fold(request, |request, (path, text)| {
            request.with_copy_to(path.as_str(), text.clone().into_bytes())
        })
    }

    fn image(&self) -> GenericImage {
        let image = &*self.spec.image;
        let (name, tag) = match image.rsplit_once(':') {
            // `localhost:5000/nats` has a port, and no tag.
            Some((name, tag)) if !tag.contains('/') => (name, tag),
            _ => (image, "latest"),
        };
        GenericImage::new(name, tag)
    }

    fn failed(&self, error: String) -> EngineError {
        EngineError::NotStarted { image: self.spec.image.clone(), error }
    }
}

/// Maps the ports on the loopback device alone.
fn keep_local(config: &mut HostConfig) {
    let bindings = config.port_bindings.iter_mut().flat_map(|ports| ports.values_mut());
    for binding in bindings.flatten().flatten() {
        binding.host_ip = Some(Ipv4Addr::LOCALHOST.to_string());
    }
}

/// A port that is free on this machine now. It may be taken by the time the engine binds it, which the engine says.
fn free_port() -> io::Result<u16> {
    let mut last = io::ErrorKind::AddrInUse.into();
    for _ in 0..ATTEMPTS {
        let port = PORTS.start + (seed::random() % u64::from(PORTS.end - PORTS.start)) as u16;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(last)
}
