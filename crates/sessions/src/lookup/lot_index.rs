//! The open sessions of one lot: by session, by plate, and by likeness of plates.

use std::collections::HashMap;

use ledger::SessionRow;
use matching::misread::{GateRead, Likely, OpenEntries};
use parking::{Direction, EventKey, GateId, LotId, Plate, Rules, SessionId, Source, State, Timestamp};

use super::usual::Counted;

/// An entry without an exit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct OpenEntry {
    pub(super) session: SessionId,
    pub(super) plate: Plate,
    pub(super) key: EventKey,
    pub(super) gate: Option<GateId>,
}

impl OpenEntry {
    /// The entry of an open session; `None` for any other session, and for a plate that was not read.
    pub(super) fn of_row(row: &SessionRow, rules: &Rules) -> Option<Self> {
        let SessionRow { session, source, entry_gate, .. } = row;
        let plate = &session.vehicle.plate;
        let is_open = session.state == State::Open && *source == Source::Events && !rules.is_unread(plate);
        let (id, time) = session.entry_event_id.zip(session.entry_time).filter(|_| is_open)?;
        let key = EventKey { time, direction: Direction::Entry, id };
        Some(Self { session: session.id, plate: plate.clone(), key, gate: entry_gate.clone() })
    }
}

/// An open entry that a read may belong to.
#[derive(Debug)]
pub(super) struct LikelyEntry {
    pub(super) entry: OpenEntry,
    pub(super) likely: Likely,
}

/// The likely entries of a read, how many more there are, and the chance of none in ten thousandths.
#[derive(Debug)]
pub(super) struct LikelyEntries {
    pub(super) entries: Vec<LikelyEntry>,
    pub(super) others: usize,
    pub(super) none: u16,
}

/// The open sessions of one lot. Each operation may be repeated.
#[derive(Debug)]
pub(super) struct LotIndex {
    entries: OpenEntries,
    of_slot: HashMap<u32, OpenEntry>,
    slots: HashMap<SessionId, u32>,
    /// The open session of each plate.
    sessions: HashMap<Plate, SessionId>,
    max_stay_ms: i64,
    counted: Counted,
}

impl LotIndex {
    /// An index without entries.
    pub(super) fn new(lot: &LotId, max_stay_ms: i64) -> Self {
        Self {
            entries: OpenEntries::new(lot.clone(), max_stay_ms),
            of_slot: HashMap::new(),
            slots: HashMap::new(),
            sessions: HashMap::new(),
            max_stay_ms,
            counted: Counted::default(),
        }
    }

    /// From now on stays are weighed by these counts, and plates by what those of the entries look like.
    pub(super) fn set_counted(&mut self, counted: Counted) {
        self.entries.set_tables(&counted.table);
        self.counted = counted;
    }

    /// How long stays are.
    pub(super) fn counted(&self) -> &Counted {
        &self.counted
    }

    /// Adds an open entry.
    pub(super) fn insert(&mut self, entry: OpenEntry) {
        if self.slots.contains_key(&entry.session) {
            return;
        }
        let slot = self.entries.insert(entry.plate.clone(), entry.key);
        self.slots.insert(entry.session, slot);
        self.sessions.insert(entry.plate.clone(), entry.session);
        self.of_slot.insert(slot, entry);
    }

    /// Takes out a session that is open no longer.
    pub(super) fn remove(&mut self, session: SessionId) {
        let Some(slot) = self.slots.remove(&session) else { return };
        self.entries.remove(slot);
        if let Some(entry) = self.of_slot.remove(&slot)
            && self.sessions.get(&entry.plate) == Some(&session)
        {
            self.sessions.remove(&entry.plate);
        }
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The memory that it takes, bytes, without texts.
    pub(super) fn bytes(&self) -> usize {
        const OF_ENTRY: usize = size_of::<OpenEntry>() + 2 * size_of::<(SessionId, u32)>() + size_of::<Plate>();
        self.entries.bytes() + self.len() * OF_ENTRY
    }

    /// The open entry of exactly this plate, for an exit at `time`.
    pub(super) fn of_plate(&self, plate: &Plate, time: Timestamp) -> Option<&OpenEntry> {
        let entry = self.of_slot.get(self.slots.get(self.sessions.get(plate)?)?)?;
        (0..=self.max_stay_ms).contains(&time.millis_since(entry.key.time)).then_some(entry)
    }

    /// The entries of other plates that a read is most likely of, at most `most`. `gone_at` is when its own plate was last
    /// seen leaving.
    pub(super) fn likely(&mut self, read: &GateRead, gone_at: Option<Timestamp>, most: usize) -> LikelyEntries {
        let found = self.entries.look_up(read, gone_at, most);
        let of_slot = |likely: Likely| Some(LikelyEntry { entry: self.of_slot.get(&likely.slot)?.clone(), likely });
        LikelyEntries {
            entries: found.candidates.into_iter().filter_map(of_slot).collect(),
            others: found.others,
            none: found.none,
        }
    }

    /// All entries, by session.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<OpenEntry> {
        let mut all: Vec<OpenEntry> = self.of_slot.values().cloned().collect();
        all.sort_unstable();
        assert_eq!((all.len(), self.slots.len(), self.sessions.len()), (self.len(), self.len(), self.len()));
        all
    }
}
