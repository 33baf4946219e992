//! Look-ups at the exit: which open session a vehicle in front of a barrier belongs to, by its plate as read.
//!
//! `indexes` keeps the open sessions of the lots that are asked for, `lot_index` is one of these, `usual` has how long
//! stays are. What is likely is left to `matching`. Nothing is recorded.

mod indexes;
mod lot_index;
mod usual;

use std::time::Instant;

use ledger::{Order, Page, SessionFilter};
use matching::misread::GateRead;
use parking::{Direction, EventKey, GateId, LotId, Plate, State, Timestamp};
use uuid::Uuid;

use super::{Error, Service};
use lot_index::{LikelyEntries, LikelyEntry, OpenEntry};

pub(crate) use indexes::{ENTRIES_MAX, Indexes, LOTS_MAX, UNUSED_MS};
pub use usual::UsualStay;

/// The most likely entries of one answer.
pub const LIKELY_MAX: usize = 5;
/// The name of the model by which reads are compared: nothing of cameras and known plates is learned.
pub const MODEL: &str = "start";
/// The stays of a plate that are looked at to learn when it left.
const PAST_STAYS: u32 = 8;

/// A vehicle at the exit.
#[derive(Debug, Clone, PartialEq)]
pub struct LookUp {
    /// The lot.
    pub lot: LotId,
    /// The plate as read, in its normal form; empty if nothing was read.
    pub plate: Plate,
    /// When it was read; `None`: now.
    pub time: Option<Timestamp>,
    /// How sure the camera is of the whole plate, 0 to 1.
    pub confidence: Option<f32>,
    /// How sure it is of each letter and digit; empty if unknown.
    pub character_confidences: Vec<f32>,
    /// What else the camera thinks possible.
    pub candidates: Vec<Plate>,
}

/// What is known of a vehicle at the exit.
#[derive(Debug, Clone, PartialEq)]
pub struct LookedUp {
    /// The answer includes all changes up to this number.
    pub sequence: u64,
    /// The time of the read.
    pub time: Timestamp,
    /// Its sessions.
    pub matches: Matches,
    /// How long stays are at this lot; `None` until 200 are known. Stays are then weighed by them.
    pub usual_stay: Option<UsualStay>,
}

/// Which open sessions are possible.
#[derive(Debug, Clone, PartialEq)]
pub enum Matches {
    /// The plate says that nothing was read.
    Unread,
    /// The open session of exactly this plate.
    Exact(EntryAtGate),
    /// Open sessions of similar plates.
    Similar {
        /// The most likely ones, the most likely first; at most [`LIKELY_MAX`].
        entries: Vec<SimilarEntry>,
        /// How many more are possible.
        others: usize,
        /// The probability that it is none of all these, in ten thousandths.
        none: u16,
    },
}

/// The entry of an open session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAtGate {
    /// The session.
    pub session: Uuid,
    /// The plate as it was read at the entry, in its normal form.
    pub plate: Plate,
    /// The id of the entry event.
    pub event: Uuid,
    /// When the vehicle entered.
    pub entered: Timestamp,
    /// The gate, if known.
    pub gate: Option<GateId>,
    /// How long it is inside at the time of the read, milliseconds.
    pub dwell_ms: i64,
}

/// An entry whose plate is similar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimilarEntry {
    /// The entry.
    pub entry: EntryAtGate,
    /// The probability that it is this one, in ten thousandths.
    pub probability: u16,
    /// The plate that the vehicle most likely has.
    pub likely_plate: String,
    /// What was misread of it, at the entry and at the exit, in words.
    pub misread: [Vec<String>; 2],
    /// The places where the reads differ, in that of the entry and in that of the exit; counted from 1.
    pub differing: [Vec<usize>; 2],
}

impl Service {
    /// Looks a vehicle up.
    pub(crate) async fn look_up(&self, asked: &LookUp) -> Result<LookedUp, Error> {
        let time = asked.time.unwrap_or_else(|| self.now());
        let begun = Instant::now();
        let is_unread = self.inner.rules.is_unread(&asked.plate);
        let gone_at = if is_unread { None } else { self.gone_at(asked, time).await? };
        let (mut kept, was_there) = self.indexed(&asked.lot).await?;
        let sequence = kept.sequence;
        let index = kept.index(&asked.lot).ok_or(Error::Defect)?;
        let matches = if is_unread {
            Matches::Unread
        } else if let Some(entry) = index.of_plate(&asked.plate, time) {
            Matches::Exact(at_gate(entry.clone(), time))
        } else {
            let LikelyEntries { entries, others, none } = index.likely(&read_of(asked, time), gone_at, LIKELY_MAX);
            let entries = entries.into_iter().map(|found| similar(found, time)).collect();
            Matches::Similar { entries, others, none }
        };
        let usual_stay = index.counted().usual;
        drop(kept);
        if was_there {
            self.inner.metrics.look_ups.looked_up(begun.elapsed());
        }
        Ok(LookedUp { sequence, time, matches, usual_stay })
    }

    /// When this plate last left before, by a matched stay. An exit without an entry may be this very read, of which a gate
    /// has reported already.
    async fn gone_at(&self, asked: &LookUp, time: Timestamp) -> Result<Option<Timestamp>, Error> {
        let filter = SessionFilter {
            lot: Some(asked.lot.clone()),
            plate: Some(asked.plate.clone()),
            states: vec![State::Matched],
            to: Some(time),
            ..SessionFilter::default()
        };
        let page = Page { limit: PAST_STAYS, after: None, order: Order::NewestFirst };
        let rows = self.sessions(&filter, page).await?.rows;
        let exits =
            rows.iter().filter(|row| row.session.exit_event_id.is_some()).filter_map(|row| row.session.exit_time);
        Ok(exits.filter(|exit| *exit <= time).max())
    }
}

fn read_of(asked: &LookUp, time: Timestamp) -> GateRead {
    let key = EventKey { time, direction: Direction::Exit, id: Uuid::nil() };
    GateRead {
        confidence: asked.confidence,
        letter_confidences: asked.character_confidences.clone(),
        candidates: asked.candidates.clone(),
        ..GateRead::plain(asked.plate.clone(), key)
    }
}

fn at_gate(entry: OpenEntry, time: Timestamp) -> EntryAtGate {
    let OpenEntry { session, plate, key, gate } = entry;
    let dwell_ms = time.millis_since(key.time);
    EntryAtGate { session: session.as_uuid(), plate, event: key.id, entered: key.time, gate, dwell_ms }
}

fn similar(LikelyEntry { entry, likely }: LikelyEntry, time: Timestamp) -> SimilarEntry {
    SimilarEntry {
        entry: at_gate(entry, time),
        probability: likely.posterior,
        likely_plate: likely.plate,
        misread: likely.misread.map(|errors| errors.iter().map(ToString::to_string).collect()),
        differing: likely.differing,
    }
}

#[cfg(test)]
mod tests;
