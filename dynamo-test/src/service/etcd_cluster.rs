//! Clusters of etcd: how the members are started, and which of them leads.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::etcd::{TUNING, process};
use super::grpc::{Channel, Message};
use super::spec::{PeerSpec, Port};

/// How many members a cluster has: the fewest of which one can be lost.
pub(crate) const MEMBERS: usize = 3;

/// The socket on which a member listens for clients.
const CLIENTS: &str = "clients:0";

/// As quick as may be without an election whenever a busy machine keeps a leader waiting.
const ELECTION: &[&str] = &["--heartbeat-interval", "30", "--election-timeout", "300"];

/// What a member prints when the others can reach it. It needs none of them for that.
const LISTENS: &str = "serving peer traffic";

/// How often a member is asked who leads.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// What it takes to start the members of a cluster, with further arguments.
pub(super) fn members(program: &Path, further: &[&str]) -> Vec<PeerSpec> {
    let names: Vec<String> = (0..MEMBERS).map(|number| format!("member-{number}")).collect();
    let socket = |name: &String| format!("{name}:0");
    // The same for all of them, each of which finds the others by sockets in its own folder.
    let cluster: Vec<String> =
        names.iter().map(|name| format!("{name}=unix://{}", socket(name))).collect();
    let cluster = cluster.join(",");
    let member = |name: &String| {
        let (peers, clients) = (format!("unix://{}", socket(name)), format!("unix://{CLIENTS}"));
        let own: &[&str] = &[
            "--name",
            name,
            "--data-dir",
            "d",
            "--listen-client-urls",
            &clients,
            "--advertise-client-urls",
            "http://127.0.0.1:{port}",
            "--listen-peer-urls",
            &peers,
            "--initial-advertise-peer-urls",
            &peers,
            "--initial-cluster",
            &cluster,
            // A member that was cut off, and comes back, deposes no leader.
            "--pre-vote",
        ];
        let port = Port::Socket { name: CLIENTS.into(), line: LISTENS.into() };
        let arguments = own.iter().chain(ELECTION).chain(TUNING).chain(further);
        PeerSpec {
            name: format!("etcd-{name}"),
            process: process(program.into(), arguments, port),
            socket: socket(name),
        }
    };
    names.iter().map(member).collect()
}

/// What a member knows of the cluster.
#[derive(Clone, Copy, PartialEq, Eq)]
struct View {
    member: u64,
    /// Whom it takes for the leader; 0 is nobody.
    leader: u64,
    term: u64,
}

/// What each member answered last.
struct Views(Vec<Result<View, String>>);

/// The number of the member that leads: it says so itself, and so do others, most of the members in all. Waits until
/// there is one; the error says what each member answered last.
pub(crate) fn leader(authorities: &[String], within: Duration) -> Result<usize, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Dropping it ends the questions that were not answered.
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let until = Instant::now() + within;
        let (answers, mut answered) = mpsc::channel(MEMBERS);
        let mut questions = JoinSet::new();
        for (number, authority) in authorities.iter().enumerate() {
            questions.spawn(ask(number, authority.clone(), answers.clone()));
        }
        let mut views = Views(vec![Err("no answer".into()); authorities.len()]);
        while let Ok(Some((number, view))) = timeout_at(until, answered.recv()).await {
            views.0[number] = view;
            if let Some(leader) = views.leader() {
                return Ok(leader);
            }
        }
        Err(format!("{views} (waited {} s)", within.as_secs_f64()))
    })
}

/// Asks a member again and again.
async fn ask(
    number: usize,
    authority: String,
    answers: mpsc::Sender<(usize, Result<View, String>)>,
) {
    while answers.send((number, view(&authority).await)).await.is_ok() {
        sleep(ASK_EVERY).await;
    }
}

async fn view(authority: &str) -> Result<View, String> {
    let mut channel = Channel::connect(authority).await?;
    let status = channel.call("/etcdserverpb.Maintenance/Status", Message::default()).await?;
    // StatusResponse.header = 1, leader = 4, raftTerm = 6; ResponseHeader.member_id = 2. What is 0 is left out.
    let header = status.messages(1)?.into_iter().next().unwrap_or_default();
    Ok(View {
        member: header.number(2)?.unwrap_or_default(),
        leader: status.number(4)?.unwrap_or_default(),
        term: status.number(6)?.unwrap_or_default(),
    })
}

impl Views {
    fn leader(&self) -> Option<usize> {
        let views = || self.0.iter().flatten();
        self.0.iter().position(|view| {
            view.as_ref().is_ok_and(|leader| {
                let agrees =
                    |view: &&View| (view.leader, view.term) == (leader.member, leader.term);
                agrees(&leader) && views().filter(agrees).count() > self.0.len() / 2
            })
        })
    }
}

impl fmt::Display for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |id| {
            let named =
                |view: &Result<View, String>| view.as_ref().is_ok_and(|view| view.member == id);
            self.0.iter().position(named).map_or("another".into(), |number| number.to_string())
        };
        for (number, view) in self.0.iter().enumerate() {
            let separator = if number > 0 { ", " } else { "" };
            match view {
                Ok(View { leader: 0, .. }) => write!(f, "{separator}member {number} knows none")?,
                Ok(View { leader, term, .. }) => {
                    let leader = known(*leader);
                    write!(f, "{separator}member {number} names {leader} in term {term}")?;
                }
                Err(error) => write!(f, "{separator}member {number}: {error}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    fn led_by(views: [Option<(u64, u64)>; MEMBERS]) -> Option<usize> {
        let views = views.into_iter().zip(1..).map(|(view, member)| match view {
            Some((leader, term)) => Ok(View { member, leader, term }),
            None => Err("no answer".into()),
        });
        Views(views.collect()).leader()
    }

    #[dynamo_test]
    fn a_leader_is_one_that_says_so_and_has_most_members_behind_it() {
        assert_eq!(led_by([Some((2, 5)); MEMBERS]), Some(1));
        assert_eq!(led_by([None, Some((2, 5)), Some((2, 5))]), Some(1));
        assert_eq!(led_by([Some((2, 5)), None, Some((2, 5))]), None, "it does not answer");
        assert_eq!(led_by([None, Some((2, 5)), None]), None, "nobody follows it");
        assert_eq!(
            led_by([Some((2, 5)), Some((2, 6)), None]),
            None,
            "they speak of different terms"
        );
        assert_eq!(led_by([Some((0, 5)); MEMBERS]), None);
    }

    #[dynamo_test]
    fn one_that_was_deposed_does_not_lead() {
        assert_eq!(led_by([Some((1, 2)), Some((3, 3)), Some((3, 3))]), Some(2));
    }
}
