//! Looking at the leases, and taking some, while nobody else does.

use std::ops::Range;
use std::sync::MutexGuard;

use rustix::fs::{FlockOperation, flock};

use super::folder::Kept;
use super::held::{Lease, Part, Reservation};
use super::leased::{Leased, locked};
use super::record::Record;
use super::{Files, LeaseError, Leases, MOST_RESIDENTS, RESERVATION, RESIDENTS, range};
use crate::gpu::nvidia::{Device, Tree};
use crate::gpu::{Card, GpuGrant, Need, Reserved};
use crate::holder::Holder;

/// Of which GPUs NVML is asked what is in use: each question takes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Of all.
    All,
    /// Of those that have room beside their leases, each bearing at most so many.
    WithRoom { residents: u32 },
}

/// A moment in which nobody else grants.
pub(crate) struct Session<'a> {
    pub(super) leases: &'a Leases,
    pub(super) files: MutexGuard<'a, Files>,
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Closing the file, at the latest at the end of the process, does it, too.
        let _ = flock(&self.files.grants.file, FlockOperation::Unlock);
    }
}

impl Session<'_> {
    fn devices(&self) -> &'static [Device] {
        &self.leases.machine.devices
    }

    /// The leases on each device.
    pub(crate) fn leased(&self, ask: Ask) -> Result<Vec<Leased>, LeaseError> {
        let of = |(device, kept): (&Device, &Kept)| {
            let held = |range| {
                range::held_by_others(&kept.file, range)
                    .map_err(|error| self.leases.file_error(&device.uuid, &error))
            };
            let places = held(RESIDENTS..RESIDENTS + MOST_RESIDENTS)?.into_iter().flatten();
            // One whose record makes no sense is a resident all the same.
            let residents: Vec<Record> = places
                .map(|byte| Record::read(&kept.file, byte - RESIDENTS).unwrap_or_default())
                .collect();
            let memory = held(0..device.total_mib)?;
            let asked = match ask {
                Ask::All => true,
                Ask::WithRoom { residents: most } => {
                    residents.len() < most as usize && locked(&memory) < device.total_mib
                }
            };
            Ok(Leased {
                index: device.index,
                residents,
                memory,
                is_reserved: !held(RESERVATION..RESERVATION + 1)?.is_empty(),
                usage: asked.then(|| self.leases.machine.driver.usage(&device.uuid)),
            })
        };
        self.devices().iter().zip(&self.files.cards).map(of).collect()
    }

    /// The cards as the scheduler sees them. `ours` are the reservations of this process, by their case's ticket.
    pub(crate) fn cards<'a>(
        &self,
        leased: &[Leased],
        ours: impl Iterator<Item = (u64, &'a Reservation)> + Clone,
    ) -> Vec<Card> {
        let mut tree = Tree::default();
        let card = |(position, (device, leased)): (usize, (&Device, &Leased))| {
            let owner = ours.clone().find(|(_, reservation)| reservation.cards.contains(&position));
            let others = leased.others(&mut tree);
            let is_left_alone = others.is_some_and(|others| others.leave_it_alone(device));
            let taken_mib = others.map_or(device.total_mib, |others| others.used_mib);
            Card {
                name: device.name.clone(),
                compute_capability: device.compute_capability,
                usable_mib: device.usable_mib,
                free_mib: leased.free_mib(device, others, &mut tree),
                unleased_mib: device.total_mib.saturating_sub(taken_mib),
                residents: leased.residents.len() as u32,
                is_left_alone,
                is_quiet: is_left_alone && leased.residents.is_empty() && leased.memory.is_empty(),
                reserved: match owner {
                    Some((ticket, _)) => Reserved::For(ticket),
                    None if leased.is_reserved => Reserved::ForOthers,
                    None => Reserved::No,
                },
            }
        };
        self.devices().iter().zip(leased).enumerate().map(card).collect()
    }

    /// Takes cards that [`Card::admits`] a case: all of them, or none where that fails.
    pub(crate) fn take(
        &mut self,
        positions: &[usize],
        cards: &[Card],
        need: &Need,
        case: &str,
    ) -> Result<Lease, LeaseError> {
        let holder = Holder::from_now_on(&self.leases.run, case);
        let record = Record { holder, worker: None, vram_mib: need.vram_mib };
        let parts = positions.iter().map(|position| {
            let leased_mib = need.vram_mib.unwrap_or(cards[*position].free_mib);
            self.take_one(*position, need.vram_mib, leased_mib, &record)
        });
        Ok(Lease { parts: parts.collect::<Result<_, _>>()?, record })
    }

    fn take_one(
        &self,
        position: usize,
        vram_mib: Option<u64>,
        leased_mib: u64,
        record: &Record,
    ) -> Result<Part, LeaseError> {
        let device = &self.devices()[position];
        let failed = |error| self.leases.file_error(&device.uuid, &error);
        let file = self.files.cards[position].again(&self.leases.folder)?;
        let everything = 0..device.total_mib;
        let held = range::held_by_others(&file, everything.clone()).map_err(failed)?;
        let gaps = range::gaps(&held, everything.clone());
        let memory = vram_mib.map_or_else(|| vec![everything], |vram| first_of(gaps, vram));
        let residents = RESIDENTS..RESIDENTS + MOST_RESIDENTS;
        let held = range::held_by_others(&file, residents.clone()).map_err(failed)?;
        let disorder = || LeaseError::Disorder { path: self.leases.folder.path.join(&device.uuid) };
        let byte = range::gaps(&held, residents).first().ok_or_else(disorder)?.start;
        // Before the lock makes it true.
        record.write(&file, byte - RESIDENTS).map_err(failed)?;
        for range in memory.iter().chain([&(byte..byte + 1)]) {
            if !range::try_lock(&file, range).map_err(failed)? {
                return Err(disorder());
            }
        }
        let grant = GpuGrant {
            index: device.index,
            uuid: device.uuid.clone(),
            name: device.name.clone(),
            total_mib: device.total_mib,
            leased_mib,
        };
        Ok(Part { file, place: byte - RESIDENTS, grant })
    }

    /// Keeps cards free from now on; none of them is reserved.
    pub(crate) fn reserve(&mut self, cards: Vec<usize>) -> Result<Reservation, LeaseError> {
        let mut files = Vec::new();
        for position in &cards {
            let uuid = &self.devices()[*position].uuid;
            let file = self.files.cards[*position].again(&self.leases.folder)?;
            let locked = range::try_lock(&file, &(RESERVATION..RESERVATION + 1))
                .map_err(|error| self.leases.file_error(uuid, &error))?;
            if !locked {
                return Err(LeaseError::Disorder { path: self.leases.folder.path.join(uuid) });
            }
            files.push(file);
        }
        Ok(Reservation { files, cards })
    }
}

/// The first `wanted` bytes of some ranges, wherever they are: they only count.
fn first_of(ranges: Vec<Range<u64>>, mut wanted: u64) -> Vec<Range<u64>> {
    let mut taken = Vec::new();
    for range in ranges {
        let end = range.end.min(range.start + wanted);
        wanted -= end - range.start;
        if end > range.start {
            taken.push(range.start..end);
        }
    }
    taken
}
