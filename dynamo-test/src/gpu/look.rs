//! What keeps a case from the GPUs it needs, for people.

use std::collections::BTreeMap;

use super::{Card, Leased, Memory, Need, Reserved};

/// The GPUs as they were when somebody last looked.
#[derive(Default)]
pub(crate) struct Look {
    cards: Vec<(Card, Leased)>,
    /// How many cases a card may bear.
    residents: u32,
}

impl Look {
    pub(crate) fn new(cards: Vec<Card>, leased: Vec<Leased>, residents: u32) -> Self {
        Self { cards: cards.into_iter().zip(leased).collect(), residents }
    }

    /// What keeps the case with this ticket from GPUs that would do: `GPUs 0, 1: leased to …; GPU 2: in use by …`.
    /// None where nothing does.
    pub(crate) fn obstacles(&self, ticket: u64, need: &Need) -> Option<String> {
        let mut indices: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let in_the_way = self
            .cards
            .iter()
            .filter(|(card, _)| card.suits(need) && !card.admits(ticket, need, self.residents));
        for (card, leased) in in_the_way {
            indices
                .entry(obstacle(ticket, card, leased))
                .or_default()
                .push(leased.index.to_string());
        }
        let described = indices.into_iter().map(|(obstacle, indices)| {
            let plural = if indices.len() == 1 { "" } else { "s" };
            format!("GPU{plural} {}: {obstacle}", indices.join(", "))
        });
        Some(described.collect::<Vec<_>>().join("; ")).filter(|obstacles| !obstacles.is_empty())
    }
}

fn obstacle(ticket: u64, card: &Card, leased: &Leased) -> String {
    if let Some(Err(error)) = &leased.usage {
        return format!("it does not answer: {error}");
    }
    if !leased.residents.is_empty() {
        let holders = leased.residents.iter().map(|resident| resident.holder.to_string());
        return format!("leased to {}", holders.collect::<Vec<_>>().join(" and "));
    }
    match card.reserved {
        Reserved::No => {}
        Reserved::For(owner) if owner == ticket => {}
        Reserved::For(_) | Reserved::ForOthers => {
            return "kept free for a case that has waited longer".into();
        }
    }
    let usage = leased.usage.as_ref().and_then(|usage| usage.as_ref().ok());
    let processes: Vec<String> =
        usage.iter().flat_map(|usage| &usage.processes).map(|(pid, _)| pid.to_string()).collect();
    let used = Memory(usage.map_or(0, |usage| usage.used_mib));
    match processes.len() {
        0 => format!("{used} in use without a lease"),
        1 => format!("{used} in use without a lease, by process {}", processes[0]),
        _ => format!("{used} in use without a lease, by processes {}", processes.join(", ")),
    }
}
