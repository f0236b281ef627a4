use super::Need;

/// A GPU as the scheduler sees it at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What its maker calls it.
    pub name: String,
    /// Major and minor.
    pub compute_capability: (u32, u32),
    /// All memory that cases can be given, in MiB.
    pub usable_mib: u64,
    /// What of it neither a lease nor anybody else has, in MiB. What is unknown is not free.
    pub free_mib: u64,
    /// What would be free of it if nobody held a lease, in MiB.
    pub unleased_mib: u64,
    /// How many leases it bears.
    pub residents: u32,
    /// Whether nobody uses it who holds no lease.
    pub is_left_alone: bool,
    /// Whether nobody uses it at all, so that it can be leased as a whole.
    pub is_quiet: bool,
    /// For whom it is kept free.
    pub reserved: Reserved,
}

/// For whom a card is kept free until it is free enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reserved {
    /// For nobody.
    #[default]
    No,
    /// For the case with this ticket.
    For(u64),
    /// For a case of another run.
    ForOthers,
}

impl Card {
    /// Whether it would do if nobody used it.
    pub fn suits(&self, need: &Need) -> bool {
        need.suits(&self.name, self.compute_capability, self.usable_mib)
    }

    /// Whether the case with this ticket can have it now, beside at most `residents - 1` others.
    pub fn admits(&self, ticket: u64, need: &Need, residents: u32) -> bool {
        let is_open = match self.reserved {
            Reserved::No => true,
            Reserved::For(owner) => owner == ticket,
            Reserved::ForOthers => false,
        };
        let has_room = match need.vram_mib {
            Some(vram) => self.residents < residents && vram <= self.free_mib,
            None => self.is_quiet && self.residents == 0,
        };
        is_open && has_room && self.suits(need)
    }

    /// Whether a case could have it if only all leases on it ended. What others use, nobody knows for how long.
    pub fn is_held_up_by_leases_alone(&self, need: &Need) -> bool {
        let would_have_room = match need.vram_mib {
            Some(vram) => vram <= self.unleased_mib,
            None => self.is_left_alone,
        };
        would_have_room && self.suits(need)
    }

    /// Counts a lease that was granted.
    pub fn occupy(&mut self, need: &Need) {
        self.residents += 1;
        self.is_quiet = false;
        self.free_mib = need.vram_mib.map_or(0, |vram| self.free_mib.saturating_sub(vram));
    }
}
