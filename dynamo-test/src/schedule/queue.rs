use crate::gpu::{Card, Need, Reserved};

/// The cases that wait for GPUs.
#[derive(Debug, Default)]
pub struct Queue {
    /// The one to start first at the beginning.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    need: Need,
    /// GPUs × expected seconds.
    weight: f64,
}

/// A case that may start now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The number it waited under.
    pub ticket: u64,
    /// What it asked for.
    pub need: Need,
    /// Which cards it gets: their positions.
    pub cards: Vec<usize>,
}

impl Queue {
    /// Adds a case under a number of its own. It is expected to take so many seconds.
    pub fn push(&mut self, ticket: u64, need: Need, expected_seconds: f64) {
        let weight = f64::from(need.count) * expected_seconds;
        let place = self.waiting.partition_point(|other| other.weight >= weight);
        self.waiting.insert(place, Waiting { ticket, need, weight });
    }

    /// Takes a case out.
    pub fn remove(&mut self, ticket: u64) {
        self.waiting.retain(|waiting| waiting.ticket != ticket);
    }

    /// Those that wait, the one to start first at the beginning.
    pub fn waiting(&self) -> impl Iterator<Item = (u64, &Need)> {
        self.waiting.iter().map(|waiting| (waiting.ticket, &waiting.need))
    }

    /// Takes out the cases that may start now, at most so many, and counts them on `cards`. A card bears at most
    /// `residents` cases. `is_ready` is asked of each that fits: another thing that it needs may not be free.
    pub fn admit(
        &mut self,
        cards: &mut [Card],
        residents: u32,
        most: usize,
        mut is_ready: impl FnMut(u64) -> bool,
    ) -> Vec<Admitted> {
        let mut admitted = Vec::new();
        self.waiting.retain(|Waiting { ticket, need, .. }| {
            if admitted.len() == most {
                return true;
            }
            let Some(places) = place(*ticket, need, cards, residents) else { return true };
            if !is_ready(*ticket) {
                return true;
            }
            for position in &places {
                cards[*position].occupy(need);
            }
            admitted.push(Admitted { ticket: *ticket, need: need.clone(), cards: places });
            false
        });
        admitted
    }

    /// Whether [`admit`](Self::admit) would find a case that may start.
    pub fn could_admit(
        &self,
        cards: &[Card],
        residents: u32,
        mut is_ready: impl FnMut(u64) -> bool,
    ) -> bool {
        let fits = |waiting: &Waiting| place(waiting.ticket, &waiting.need, cards, residents);
        self.waiting.iter().any(|waiting| fits(waiting).is_some() && is_ready(waiting.ticket))
    }
}

/// The cards that fit a need best: those that are left with the least free memory.
fn place(ticket: u64, need: &Need, cards: &[Card], residents: u32) -> Option<Vec<usize>> {
    let count = need.count as usize;
    let mut open: Vec<usize> = (0..cards.len())
        .filter(|position| cards[*position].admits(ticket, need, residents))
        .collect();
    if open.len() < count {
        return None;
    }
    open.sort_by_key(|position| cards[*position].free_mib);
    open.truncate(count);
    // As `nvidia-smi` lists them, so that the case's device 0 is the first of them.
    open.sort_unstable();
    Some(open)
}

/// The cards to keep free for a case that has waited long: those that are nearest to being free, among those that
/// are kept for nobody yet, and that nobody but cases with leases holds up. None where those are too few.
pub fn worth_reserving(need: &Need, cards: &[Card]) -> Option<Vec<usize>> {
    let is_open =
        |card: &Card| card.reserved == Reserved::No && card.is_held_up_by_leases_alone(need);
    let mut open: Vec<usize> =
        (0..cards.len()).filter(|position| is_open(&cards[*position])).collect();
    if open.len() < need.count as usize {
        return None;
    }
    open.sort_by_key(|position| {
        let card = &cards[*position];
        (card.residents, u64::MAX - card.free_mib)
    });
    open.truncate(need.count as usize);
    Some(open)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::prelude::*;

    fn card(usable_mib: u64) -> Card {
        Card {
            name: "NVIDIA H100 80GB HBM3".into(),
            compute_capability: (9, 0),
            usable_mib,
            free_mib: usable_mib,
            unleased_mib: usable_mib,
            residents: 0,
            is_left_alone: true,
            is_quiet: true,
            reserved: Reserved::No,
        }
    }

    fn shared(count: u32, vram_mib: u64) -> Need {
        Need { count, vram_mib: Some(vram_mib), ..Need::default() }
    }

    fn exclusive(count: u32) -> Need {
        Need { count, ..Need::default() }
    }

    fn anybody(_: u64) -> bool {
        true
    }

    fn tickets(admitted: &[Admitted]) -> Vec<u64> {
        admitted.iter().map(|admitted| admitted.ticket).collect()
    }

    #[dynamo_test]
    fn what_takes_most_gpu_seconds_starts_first_and_what_does_not_fit_holds_up_nobody() {
        let mut queue = Queue::default();
        queue.push(1, exclusive(1), 10.0);
        queue.push(2, exclusive(3), 90.0);
        queue.push(3, exclusive(1), 100.0);
        queue.push(4, exclusive(2), 60.0);
        let mut cards = vec![card(80), card(80)];
        assert_eq!(tickets(&queue.admit(&mut cards, 2, 9, anybody)), [4], "3 cards are not there");
        let mut cards = vec![card(80), card(80)];
        assert_eq!(tickets(&queue.admit(&mut cards, 2, 9, anybody)), [3, 1]);
        assert_eq!(queue.waiting().map(|(ticket, _)| ticket).collect::<Vec<_>>(), [2]);
    }

    #[dynamo_test]
    fn a_case_goes_where_it_leaves_the_least() {
        let mut queue = Queue::default();
        queue.push(1, shared(1, 30), 1.0);
        let mut cards = vec![card(80), card(40), card(20)];
        assert_eq!(queue.admit(&mut cards, 2, 9, anybody)[0].cards, [1]);
    }

    #[dynamo_test]
    fn a_case_that_lacks_something_else_takes_no_card_from_others() {
        let mut queue = Queue::default();
        queue.push(1, exclusive(1), 9.0);
        queue.push(2, exclusive(1), 1.0);
        let is_ready = |ticket| ticket == 2;
        assert_eq!(tickets(&queue.admit(&mut [card(80)], 2, 9, is_ready)), [2]);
        assert!(!queue.could_admit(&[card(80)], 2, is_ready));
        assert!(queue.could_admit(&[card(80)], 2, anybody));
    }

    #[dynamo_test]
    fn the_cards_of_a_case_are_in_their_order() {
        let mut queue = Queue::default();
        queue.push(1, shared(2, 30), 1.0);
        let mut cards = vec![card(80), card(60), card(40)];
        assert_eq!(queue.admit(&mut cards, 2, 9, anybody)[0].cards, [1, 2]);
    }

    #[dynamo_test]
    fn a_reserved_card_is_only_for_whom_it_is_reserved() {
        let mut queue = Queue::default();
        queue.push(1, shared(1, 30), 9.0);
        queue.push(2, shared(1, 30), 1.0);
        let reserved = |reserved| vec![Card { reserved, ..card(80) }];
        assert!(queue.admit(&mut reserved(Reserved::ForOthers), 2, 9, anybody).is_empty());
        assert_eq!(tickets(&queue.admit(&mut reserved(Reserved::For(2)), 2, 9, anybody)), [2]);
    }

    #[dynamo_test]
    fn cards_nearest_to_being_free_are_reserved() {
        let busy = Card { residents: 2, free_mib: 70, is_quiet: false, ..card(80) };
        let less_busy = Card { residents: 1, free_mib: 10, is_quiet: false, ..card(80) };
        let taken = Card { reserved: Reserved::ForOthers, ..card(80) };
        let cards = [busy, taken, less_busy, card(80)];
        assert_eq!(worth_reserving(&exclusive(2), &cards), Some(vec![3, 2]));
        assert_eq!(worth_reserving(&exclusive(4), &cards), None);
    }

    #[dynamo_test]
    fn a_card_that_others_than_cases_use_is_not_kept_free() {
        let leased = Card { residents: 2, free_mib: 10, is_quiet: false, ..card(80) };
        let in_use = Card { unleased_mib: 30, is_left_alone: false, is_quiet: false, ..card(80) };
        let cards = [in_use, leased];
        assert_eq!(worth_reserving(&exclusive(1), &cards), Some(vec![1]));
        assert_eq!(
            worth_reserving(&exclusive(2), &cards),
            None,
            "it would wait for nobody knows how long"
        );
        assert_eq!(
            worth_reserving(&shared(2, 30), &cards),
            Some(vec![0, 1]),
            "there is room beside them"
        );
    }

    #[dynamo_test]
    fn no_card_is_ever_given_more_than_it_has() {
        let needs = prop::collection::vec((1..5u32, prop::option::of(1..60u64), 1..900u32), 0..40);
        let sizes = prop::collection::vec(20..90u64, 1..9);
        proptest!(|(needs in needs, sizes in sizes, cap in 1..5u32, most in 0..50usize)| {
            let mut queue = Queue::default();
            for (ticket, (count, vram_mib, seconds)) in needs.iter().enumerate() {
                let need = Need { count: *count, vram_mib: *vram_mib, ..Need::default() };
                queue.push(ticket as u64, need, f64::from(*seconds));
            }
            let mut cards: Vec<Card> = sizes.iter().map(|size| card(*size)).collect();
            let admitted = queue.admit(&mut cards, cap, most, anybody);
            prop_assert!(admitted.len() <= most);
            for (position, size) in sizes.iter().enumerate() {
                let here: Vec<&Admitted> =
                    admitted.iter().filter(|one| one.cards.contains(&position)).collect();
                let memory: u64 = here.iter().filter_map(|one| one.need.vram_mib).sum();
                prop_assert!(memory <= *size);
                prop_assert!(here.len() <= cap as usize);
                let alone = here.iter().any(|one| one.need.vram_mib.is_none());
                prop_assert!(!alone || here.len() == 1);
            }
            for one in &admitted {
                let mut cards = one.cards.clone();
                cards.sort_unstable();
                cards.dedup();
                prop_assert_eq!(cards.len(), one.need.count as usize);
            }
            prop_assert_eq!(queue.waiting().count() + admitted.len(), needs.len());
            if most == 50 {
                prop_assert!(queue.admit(&mut cards, cap, most, anybody).is_empty(), "nothing that fits was left");
            }
        });
    }
}
