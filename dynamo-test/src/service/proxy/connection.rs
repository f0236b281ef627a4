//! Connections, relayed.
//!
//! In each direction one task receives and another one sends, with a queue between them in which bytes wait out the
//! latency: so it delays them, and takes nothing of the bandwidth.

use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::State;
use super::conditions::Passage;
use super::socket::{Listener, Stream};
use crate::seed::Numbers;

/// How much is read at once.
const PIECE: usize = 16 * 1024;

/// How many pieces may be under way in one direction; beyond that, the sender is held up.
const UNDER_WAY: usize = 64;

/// How often a second bytes are let through where the bandwidth is limited.
const PACES: u64 = 50;

/// The two ends of a connection.
struct Ends {
    client: Stream,
    server: Stream,
    /// Whether both sides have said all that they had to say.
    ended: AtomicBool,
}

impl Drop for Ends {
    fn drop(&mut self) {
        if !*self.ended.get_mut() {
            self.client.break_on_drop();
            self.server.break_on_drop();
        }
    }
}

#[derive(Clone, Copy)]
enum Way {
    ToServer,
    FromServer,
}

/// One direction of a connection.
#[derive(Clone)]
struct Lane {
    ends: Arc<Ends>,
    way: Way,
    told: watch::Receiver<State>,
}

/// Bytes under way; none of them is the end.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
}

/// Accepts connections for as long as it is polled. Those that it has accepted go on without it.
pub(super) async fn accept(listener: Listener, told: watch::Receiver<State>) {
    let mut seeds = Numbers::new(told.borrow().seed);
    loop {
        match listener.accept().await {
            Ok(client) => {
                // How it ended, both ends know.
                drop(tokio::spawn(relay(client, told.clone(), Numbers::new(seeds.next()))));
            }
            // The client has gone, or there are no more descriptors, which passes.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Carries a connection to its end; an error breaks it.
async fn relay(
    client: Stream,
    mut told: watch::Receiver<State>,
    mut random: Numbers,
) -> io::Result<()> {
    let (target, resets) = {
        let state = told.borrow();
        (state.open_target().cloned(), state.resets)
    };
    let connected = match target {
        Some(target) => Stream::connect(&target).await,
        None => Err(io::ErrorKind::ConnectionRefused.into()),
    };
    let server = connected.inspect_err(|_| client.break_on_drop())?;
    let ends = Arc::new(Ends { client, server, ended: AtomicBool::new(false) });

    let mut tasks = JoinSet::new();
    for way in [Way::ToServer, Way::FromServer] {
        let lane = Lane { ends: Arc::clone(&ends), way, told: told.clone() };
        let (sender, receiver) = mpsc::channel(UNDER_WAY);
        tasks.spawn(lane.clone().receive(sender, Numbers::new(random.next())));
        tasks.spawn(lane.send(receiver));
    }
    let mut running = tasks.len();
    tasks.spawn(async move {
        // The proxy that is gone breaks its connections, too.
        let _ = told.wait_for(|state| state.resets != resets).await;
        Err(io::ErrorKind::ConnectionReset.into())
    });
    while running > 0 {
        if let Some(task) = tasks.join_next().await {
            task.map_err(io::Error::other)??;
            running -= 1;
        }
    }
    ends.ended.store(true, Ordering::Relaxed);
    Ok(())
}

impl Lane {
    /// Reads what arrives, and says when it is due at the other side.
    async fn receive(mut self, pieces: mpsc::Sender<Piece>, mut random: Numbers) -> io::Result<()> {
        let ends = Arc::clone(&self.ends);
        let from = match self.way {
            Way::ToServer => &ends.client,
            Way::FromServer => &ends.server,
        };
        let mut buffer = vec![0; PIECE];
        let mut due = Instant::now();
        loop {
            self.passable().await?;
            from.readable().await?;
            let passage = self.passage();
            if passage.cut {
                continue;
            }
            match from.try_read(&mut buffer) {
                Ok(read) => {
                    let most = u64::try_from(passage.jitter.as_nanos()).unwrap_or(u64::MAX);
                    let jitter = Duration::from_nanos(random.up_to(most));
                    // Never before what was sent earlier.
                    due = due.max(Instant::now() + passage.latency + jitter);
                    let piece = Piece { due, bytes: buffer[..read].to_vec() };
                    if pieces.send(piece).await.is_err() {
                        return Err(io::ErrorKind::BrokenPipe.into());
                    }
                    if read == 0 {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes each piece when it is due, at the pace that the bandwidth allows.
    async fn send(mut self, mut pieces: mpsc::Receiver<Piece>) -> io::Result<()> {
        let ends = Arc::clone(&self.ends);
        let to = match self.way {
            Way::ToServer => &ends.server,
            Way::FromServer => &ends.client,
        };
        let mut free = Instant::now();
        // Without a last piece it broke, and that is no end.
        while let Some(piece) = pieces.recv().await {
            // What is under way when latency ends does not wait for it.
            self.wait_until(piece.due, |passage| !passage.is_late()).await?;
            if piece.bytes.is_empty() {
                self.passable().await?;
                return to.shut_down_writing();
            }
            let mut rest = &piece.bytes[..];
            while !rest.is_empty() {
                self.passable().await?;
                let limit = self.passage().bytes_per_second;
                let (now, later) = rest.split_at(rest.len().min(pace(limit)));
                to.write_all(now).await?;
                rest = later;
                if let Some(limit) = limit {
                    let takes = Duration::from_secs_f64(now.len() as f64 / limit.get() as f64);
                    free = free.max(Instant::now()) + takes;
                    self.wait_until(free, |passage| passage.bytes_per_second != Some(limit))
                        .await?;
                }
            }
        }
        Err(io::ErrorKind::ConnectionReset.into())
    }

    fn passage(&self) -> Passage {
        passage(&self.told.borrow(), self.way)
    }

    /// Waits while nothing may pass.
    async fn passable(&mut self) -> io::Result<()> {
        let way = self.way;
        let passable = self.told.wait_for(|state| !passage(state, way).cut).await;
        passable.map(drop).map_err(io::Error::other)
    }

    /// Waits for a time, or for the passage to be as told.
    async fn wait_until(&mut self, time: Instant, or: impl Fn(Passage) -> bool) -> io::Result<()> {
        let way = self.way;
        match timeout_at(time, self.told.wait_for(|state| or(passage(state, way)))).await {
            Ok(told) => told.map(drop).map_err(io::Error::other),
            Err(_) => Ok(()),
        }
    }
}

fn passage(state: &State, way: Way) -> Passage {
    match way {
        Way::ToServer => state.conditions.to_server,
        Way::FromServer => state.conditions.from_server,
    }
}

/// How many bytes pass at once.
fn pace(limit: Option<NonZeroU64>) -> usize {
    limit.map_or(usize::MAX, |limit| {
        usize::try_from(limit.get() / PACES).unwrap_or(usize::MAX).max(1)
    })
}
