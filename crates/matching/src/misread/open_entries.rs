//! The entries of one lot that lack an exit, as they come and go, and which of them a read is most likely of.
//!
//! For an exit that no gate has recorded: a vehicle in front of a closed barrier. Candidates and weights are those of
//! [`decide`](super::decide::decide), and so is the posterior, of this exit alone and as of its time. Not here: other
//! exits without an entry, which may compete for an entry, and entries that have an exact exit.

use parking::{EventKey, LotId, Plate, Timestamp};

use super::changing_index::ChangingIndex;
use super::decide::in_ten_thousandths;
use super::edits::{Edit, script};
use super::index::Seen as SeenSlots;
use super::letters::Letters;
use super::likelihood::Seen;
use super::marginal::Marginal;
use super::model::{Model, ModelRecord, TAU_START, Tables};
use super::plates::{PlateKey, PlateTable};
use super::posterior::{Edge, marginals};
use super::reads::{Entry, Exit, GateRead, Read};
use super::reasons::{Misreading, likely_plate};
use super::shapes;
use super::stays::StayTable;
use super::weigh::{is_near, may_be, weigh};

/// The entries of one lot that lack an exit, and the model by which reads are compared with them.
#[derive(Debug)]
pub struct OpenEntries {
    lot: LotId,
    model: Model,
    max_stay_ms: i64,
    index: ChangingIndex,
    /// The plates by slot, apart from all else: the filter looks at many that are far.
    plates: Vec<Letters>,
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    seen: SeenSlots,
}

#[derive(Debug)]
struct Slot {
    plate: Plate,
    entry: Entry,
    marginal: Marginal,
}

/// The most likely entries of a read.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The entries, the most likely first.
    pub candidates: Vec<Likely>,
    /// How many more entries have a weight.
    pub others: usize,
    /// The probability that it is none of all these, in ten thousandths.
    pub none: u16,
}

/// An entry that may be the read's.
#[derive(Debug, Clone, PartialEq)]
pub struct Likely {
    /// Its slot.
    pub slot: u32,
    /// The probability, in ten thousandths.
    pub posterior: u16,
    /// The plate that the vehicle most likely has.
    pub plate: String,
    /// How the read at the entry differs from that plate, and the read at the exit.
    pub misread: [Vec<Misreading>; 2],
    /// The places where the two reads differ, in the entry's and in the exit's; counted from 1.
    pub differing: [Vec<usize>; 2],
}

impl OpenEntries {
    /// No entries yet, of a lot with that longest stay. The model is that of a lot without any.
    pub fn new(lot: LotId, max_stay_ms: i64) -> Self {
        Self {
            model: model(&lot, Tables::start()),
            lot,
            max_stay_ms,
            index: ChangingIndex::default(),
            plates: Vec::new(),
            slots: Vec::new(),
            free: Vec::new(),
            seen: SeenSlots::default(),
        }
    }

    /// Learns from the entries what plates look like, and takes stays and passages from this table. All else stays the
    /// start's: without the look of plates, any two that are similar would count as one vehicle.
    pub fn set_tables(&mut self, stays: &StayTable) {
        let plates: Vec<Letters> = self.slots.iter().flatten().map(|slot| slot.entry.read.letters).collect();
        let start = Tables::start();
        let plates = PlateTable { shapes: shapes::learn(&plates), ..start.plates };
        self.model = model(&self.lot, Tables { plates, stays: stays.clone(), ..start });
        for slot in self.slots.iter_mut().flatten() {
            slot.marginal = Marginal::default();
        }
    }

    /// Adds an entry; its slot.
    pub fn insert(&mut self, plate: Plate, key: EventKey) -> u32 {
        let letters = Letters::of(&plate);
        let read = Read { key, letters, gate: 0, certainty: None };
        let entry = Entry { read, next: None, is_matched: false };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.plates.push(letters);
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).expect("a lot has fewer than four thousand million entries")
        });
        self.plates[slot as usize] = letters;
        self.slots[slot as usize] = Some(Slot { plate, entry, marginal: Marginal::default() });
        self.index.insert(&letters, slot);
        slot
    }

    /// Takes out the entry of a slot, if there is one.
    pub fn remove(&mut self, slot: u32) {
        if let Some(Slot { entry, .. }) = self.slots.get_mut(slot as usize).and_then(Option::take) {
            self.index.remove(&entry.read.letters, slot);
            self.free.push(slot);
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The memory of the index and the entries, bytes, without texts and certainties.
    pub fn bytes(&self) -> usize {
        let entry = size_of::<Option<Slot>>() + size_of::<Letters>();
        self.index.bytes() + self.slots.capacity() * entry
    }

    /// The entries that an exit's read is most likely of, at most `most`: entries of other plates, as exact matching comes
    /// first. `gone_at` is when the read's own plate was last seen leaving before.
    pub fn look_up(&mut self, read: &GateRead, gone_at: Option<Timestamp>, most: usize) -> Found {
        let exit = Exit { read: Read::new(read, Letters::of(&read.plate), 0), gone_at };
        let (mut exit_marginal, mut edges) = (Marginal::default(), Vec::new());
        for slot in self.candidates(&exit) {
            let Some(Slot { entry, marginal, .. }) = &mut self.slots[slot as usize] else { continue };
            let channel = &self.model.camera;
            let seen = [&entry.read, &exit.read].map(|read| Seen { read, channel });
            let now = exit.read.time();
            if let Some(factors) = weigh(&self.model, entry, seen, [marginal, &mut exit_marginal], now) {
                edges.push(Edge { exit: 0, entry: slot, weight: factors.weight(self.model.lost_exits) });
            }
        }
        let mut pairs: Vec<(u32, f64)> = edges.iter().map(|edge| edge.entry).zip(marginals(&edges)).collect();
        let total: f64 = pairs.iter().map(|(_, probability)| probability).sum();
        pairs.sort_by(|one, next| next.1.total_cmp(&one.1).then_with(|| self.key_of(one.0).cmp(&self.key_of(next.0))));
        let others = pairs.len().saturating_sub(most);
        pairs.truncate(most);
        let likely = |(slot, probability): &(u32, f64)| self.likely(*slot, *probability, &exit, &read.plate);
        Found {
            candidates: pairs.iter().filter_map(likely).collect(),
            others,
            none: in_ten_thousandths((1.0 - total).max(0.0)),
        }
    }

    /// The slots that may be the exit's, in order.
    fn candidates(&mut self, exit: &Exit) -> Vec<u32> {
        let (plate, mut found) = (&exit.read.letters, Vec::new());
        let plates = &self.plates;
        self.index.for_each_candidate(plate, &mut self.seen, |slot| {
            if is_near(&plates[slot as usize], plate) {
                found.push(slot);
            }
        });
        let is_possible = |slot: &u32| {
            let held = self.slots[*slot as usize].as_ref();
            held.is_some_and(|held| may_be(&held.entry, exit, exit.read.time(), self.max_stay_ms))
        };
        found.retain(is_possible);
        found.sort_unstable();
        found
    }

    fn key_of(&self, slot: u32) -> Option<EventKey> {
        self.slots[slot as usize].as_ref().map(|held| held.entry.read.key)
    }

    fn likely(&self, slot: u32, probability: f64, exit: &Exit, plate: &Plate) -> Option<Likely> {
        let Slot { plate: of_entry, entry, .. } = self.slots[slot as usize].as_ref()?;
        let seen = [&entry.read, &exit.read].map(|read| Seen { read, channel: &self.model.camera });
        let (likeliest, misread) = likely_plate(&self.model, seen, &[of_entry.clone(), plate.clone()]);
        let differing = differing(&entry.read.letters, &exit.read.letters);
        Some(Likely { slot, posterior: in_ten_thousandths(probability), plate: likeliest, misread, differing })
    }
}

/// A model of these tables. No hash of a plate leaves it, so their key need not be secret.
fn model(lot: &LotId, tables: Tables) -> Model {
    let since = Timestamp::from_millis(i64::MIN);
    Model::new(&ModelRecord::new(lot.clone(), since, tables, TAU_START, Vec::new()), PlateKey::default())
}

/// The places where two reads differ, in each of them; counted from 1.
fn differing(one: &Letters, other: &Letters) -> [Vec<usize>; 2] {
    let (mut ours, mut theirs, mut shift) = (Vec::new(), Vec::new(), 0_isize);
    for edit in script(one, other).iter().rev() {
        match *edit {
            Edit::Replaced { at, .. } => {
                ours.push(at + 1);
                theirs.push((at + 1).saturating_add_signed(shift));
            }
            Edit::Deleted { at } => {
                ours.push(at + 1);
                shift -= 1;
            }
            Edit::Inserted { at, .. } => {
                theirs.push((at + 1).saturating_add_signed(shift));
                shift += 1;
            }
        }
    }
    [ours, theirs]
}

#[cfg(test)]
mod tests;
