//! Ways to share GPUs among cases: the harness's own, and those it is held against.

use dynamo_test::__private::Need;
use dynamo_test::__private::schedule::{Admitted, Card, Queue};

/// Decides which of the waiting cases start, on which cards, and counts them there.
pub(crate) trait Policy {
    fn name(&self) -> String;
    /// A case comes; it is expected to take so many seconds.
    fn push(&mut self, ticket: u64, need: Need, expected_seconds: f64);
    fn start(&mut self, cards: &mut [Card]) -> Vec<Admitted>;
}

/// What runs tests.
pub(crate) struct Ours {
    pub(crate) queue: Queue,
    pub(crate) residents: u32,
}

impl Policy for Ours {
    fn name(&self) -> String {
        "dynamo-test".into()
    }

    fn push(&mut self, ticket: u64, need: Need, expected_seconds: f64) {
        self.queue.push(ticket, need, expected_seconds);
    }

    fn start(&mut self, cards: &mut [Card]) -> Vec<Admitted> {
        self.queue.admit(cards, self.residents, usize::MAX, |_| true)
    }
}

/// First come, first served; what does not fit is skipped.
pub(crate) struct Fifo {
    kind: Kind,
    waiting: Vec<(u64, Need)>,
}

/// What fits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing, where anything runs.
    Sequential,
    /// One case on a card.
    OneOnACard,
    /// So much that 15 % of each card stay free, where most is free (worst fit).
    WorstFit { residents: u32 },
}

impl Fifo {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, waiting: Vec::new() }
    }

    fn place(&self, need: &Need, cards: &[Card]) -> Option<Vec<usize>> {
        let is_idle = cards.iter().all(|card| card.residents == 0);
        if self.kind == Kind::Sequential && !is_idle {
            return None;
        }
        let has_room = |card: &Card| match (self.kind, need.vram_mib) {
            (Kind::WorstFit { residents }, Some(vram)) => {
                let used = card.usable_mib - card.free_mib;
                card.residents < residents && (used + vram) as f64 <= 0.85 * card.usable_mib as f64
            }
            _ => card.residents == 0,
        };
        let mut open: Vec<usize> =
            (0..cards.len()).filter(|position| has_room(&cards[*position])).collect();
        open.sort_by_key(|position| u64::MAX - cards[*position].free_mib);
        open.truncate(need.count as usize);
        (open.len() == need.count as usize).then_some(open)
    }
}

impl Policy for Fifo {
    fn name(&self) -> String {
        match self.kind {
            Kind::Sequential => "sequential",
            Kind::OneOnACard => "one case a GPU, FIFO",
            Kind::WorstFit { .. } => "worst fit, 85 % cap, FIFO",
        }
        .into()
    }

    fn push(&mut self, ticket: u64, need: Need, _expected_seconds: f64) {
        self.waiting.push((ticket, need));
    }

    fn start(&mut self, cards: &mut [Card]) -> Vec<Admitted> {
        let mut started = Vec::new();
        for (ticket, need) in std::mem::take(&mut self.waiting) {
            match self.place(&need, cards) {
                Some(places) => {
                    for position in &places {
                        cards[*position].occupy(&need);
                    }
                    started.push(Admitted { ticket, need, cards: places });
                }
                None => self.waiting.push((ticket, need)),
            }
        }
        started
    }
}
