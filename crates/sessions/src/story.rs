//! Tells why: the explanation of an event, and the whole story of a session.
//!
//! The explanation itself comes from `matching`. This module reads its input from the ledger, and what is shown with
//! it: the original reads, the changes, and similar plates.

use std::collections::BTreeMap;

use access::Lots;
use ledger::{ChangeRow, EVENTS_OF_VEHICLE_MAX, EventRow, SessionRow};
use matching::explanation::Naming;
use matching::{Explanation, Flags, Limits, LoadRequest, TooOld, explain, explain_superseded, explain_unread};
use parking::{Direction, EventKey, SessionId, Source, State, Timestamp, Vehicle};
use uuid::Uuid;

use super::seen::Sight;
use super::{Error, Inner, SeenChange, SeenEvent, SeenSession, Service, within};

/// Similar plates are searched among this many sessions, the nearest in time.
pub const CANDIDATES: u32 = 2_000;
/// Reads of the vehicle that are shown around an event that is explained.
pub const READS_BESIDE: u32 = 20;
/// The most sessions of one plate that are explained at once.
pub const MAX_EXPLAINED: u32 = 20;
/// The most sessions that the story of one tells of as superseded by it.
const SUPERSEDED: usize = 16;

/// An event, why it is in the session that it is in, and what a person wants to see beside that.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// The event as it was read.
    pub event: SeenEvent,
    /// What the definition says of it, with ids as the principal sees them.
    pub explanation: Explanation,
    /// The same in words, without a plate.
    pub text: String,
    /// Its session.
    pub session: Option<SeenSession>,
    /// Reads of the vehicle by time, those around the event; of an unread plate the event alone.
    pub reads: Vec<SeenEvent>,
    /// The changes of its session, and of another one that it has given an id, in order of commit.
    pub changes: Vec<SeenChange>,
    /// Where the other end of its session may be, when that has one end alone. Empty for a principal that sees masked
    /// plates: a mask and a distance would tell too much.
    pub near: NearPlates,
}

/// Sessions that lack what another one has, of plates that are nearly the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NearPlates {
    /// The nearest first.
    pub sessions: Vec<NearSession>,
    /// How many sessions were looked through.
    pub searched: usize,
    /// There were more than [`CANDIDATES`], and those further away in time were left out.
    pub is_cut: bool,
}

/// A session of a plate that is nearly the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearSession {
    /// The session.
    pub session: SeenSession,
    /// The distance of the plates: two for each letter that differs, one for a letter that gates confuse with the
    /// other.
    pub half_edits: usize,
}

/// The whole story of a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// The session as it stands.
    pub session: SeenSession,
    /// Its events as they were read, re-reads too, by time. None for a summary that a client saved.
    pub reads: Vec<SeenEvent>,
    /// Its changes, and those of the sessions that it has superseded, in order of commit.
    pub changes: Vec<SeenChange>,
    /// Of a void session: the one that has its anchor event now.
    pub superseded_by: Option<SeenSession>,
    /// Void sessions whose anchor events this one has now.
    pub supersedes: Vec<SeenSession>,
    /// Its exit explained, or else its entry; of a void session, the event that gave it its id. None for a summary.
    pub explained: Option<Explained>,
}

impl Service {
    /// Explains the events of these lots with this id: none when it is not known, several when the id was used again.
    pub(crate) async fn explain(&self, event: Uuid, lots: &Lots, sight: &Sight) -> Result<Vec<Explained>, Error> {
        within(async {
            let mut explained = Vec::new();
            let events = self.inner.ledger.events_with_id(event).await?.into_iter();
            for event in events.filter(|event| lots.contains(&event.vehicle.lot)) {
                let reads = self.inner.reads_around(&event.vehicle, event.key.time).await?;
                explained.push(self.inner.explained(&reads, event, sight).await?);
            }
            Ok(explained)
        })
        .await
    }

    /// Explains sessions: of each its exit, or else its entry. Summaries are left out.
    pub(crate) async fn explain_rows(&self, rows: &[SessionRow], sight: &Sight) -> Result<Vec<Explained>, Error> {
        within(async {
            let mut explained = Vec::new();
            for row in rows {
                explained.extend(self.inner.explained_session(row, sight).await?);
            }
            Ok(explained)
        })
        .await
    }

    /// The whole story of a session, void or not.
    pub(crate) async fn story(&self, row: SessionRow, sight: &Sight) -> Result<Story, Error> {
        within(self.inner.story(row, sight)).await
    }
}

impl Inner {
    async fn reads_around(&self, vehicle: &Vehicle, time: Timestamp) -> Result<Reads, Error> {
        let rows = self.ledger.vehicle_events(vehicle, Some(time), EVENTS_OF_VEHICLE_MAX).await?;
        Ok(Reads { vehicle: vehicle.clone(), rows })
    }

    /// What the definition says of an event, on a timeline that reaches what stands before its passage. An event with an
    /// unread plate is on no timeline: `is_superseded` says whether another event supersedes it.
    pub(super) async fn explanation(
        &self,
        vehicle: &Vehicle,
        key: &EventKey,
        is_superseded: bool,
    ) -> Result<Explanation, Error> {
        if self.rules.is_unread(&vehicle.plate) {
            let explained = if is_superseded { explain_superseded } else { explain_unread };
            return Ok(explained(vehicle, key));
        }
        let limits = Limits::of(&self.rules, &vehicle.lot);
        let mut reaching = key.time;
        loop {
            let request = LoadRequest { vehicle: vehicle.clone(), reaching: Some(reaching) };
            let loaded = self.ledger.load(&[request], &self.rules).await?;
            let timeline = loaded.into_iter().next().unwrap_or_default().timeline;
            match explain(vehicle, &timeline, limits, key) {
                Ok(Some(explanation)) => return Ok(explanation),
                // The event is a re-read, and its passage begins where the timeline does.
                Err(TooOld(time)) if time < reaching => reaching = time,
                Ok(None) | Err(_) => {
                    let problem = format!("the event {} is on no timeline of its vehicle", key.id);
                    return Err(ledger::Error::Corrupt(problem).into());
                }
            }
        }
    }

    async fn explained(&self, reads: &Reads, event: EventRow, sight: &Sight) -> Result<Explained, Error> {
        let explanation = self.explanation(&event.vehicle, &event.key, event.flags.has(Flags::SUPERSEDED)).await?;
        let changes = self.changes_of_event(&event, explanation.session, sight).await?;
        let near = if sight.is_whole() && explanation.misses_an_end() {
            self.near(&event.vehicle, &explanation).await?
        } else {
            NearPlates::default()
        };
        let session = self.ledger.session(explanation.session).await?.map(|row| sight.session(row));
        let explanation = sight.explanation(explanation);
        let gate = |key: &EventKey| reads.row(&sight.own_key(key)).and_then(|read| read.gate.clone());
        Ok(Explained {
            text: explanation.text(&event.vehicle.lot, &self.rules, Naming::in_full(&gate)) + &revision(&event, sight),
            explanation,
            session,
            reads: reads.beside(&event).into_iter().map(|read| sight.event(read)).collect(),
            changes,
            event: sight.event(event),
            near,
        })
    }

    /// The changes of an event's session, and of another one that the event has given an id.
    pub(super) async fn changes_of_event(
        &self,
        event: &EventRow,
        session: SessionId,
        sight: &Sight,
    ) -> Result<Vec<SeenChange>, Error> {
        let own = SessionId::of_event(&event.vehicle, &event.key);
        let gave_another = event.flags.has(Flags::ANCHOR) && own != session;
        let sessions: Vec<SessionId> = [session].into_iter().chain(gave_another.then_some(own)).collect();
        self.changes_of(&sessions, sight).await
    }

    /// A session by the event that explains it.
    async fn explained_session(&self, row: &SessionRow, sight: &Sight) -> Result<Option<Explained>, Error> {
        let Some(key) = explaining(row) else { return Ok(None) };
        let reads = self.reads_around(&row.session.vehicle, key.time).await?;
        let Some(event) = self.read(&reads, &key).await? else { return Ok(None) };
        self.explained(&reads, event, sight).await.map(Some)
    }

    async fn story(&self, session: SessionRow, sight: &Sight) -> Result<Story, Error> {
        let reads = self.reads_of(&session).await?;
        let own = session.session.id;
        let mut supersedes = Vec::new();
        for read in reads.iter().filter(|read| read.flags.has(Flags::ANCHOR)) {
            let given = SessionId::of_event(&read.vehicle, &read.key);
            let row = if given == own { None } else { self.ledger.session(given).await? };
            let is_its = |row: &SessionRow| row.session.state == State::Void && row.superseded_by == Some(own);
            supersedes.extend(row.filter(is_its).filter(|_| supersedes.len() < SUPERSEDED));
        }
        let sessions: Vec<SessionId> =
            [own].into_iter().chain(supersedes.iter().map(|row: &SessionRow| row.session.id)).collect();
        Ok(Story {
            changes: self.changes_of(&sessions, sight).await?,
            superseded_by: match session.superseded_by {
                Some(by) => self.ledger.session(by).await?.map(|row| sight.session(row)),
                None => None,
            },
            explained: self.explained_session(&session, sight).await?,
            session: sight.session(session),
            reads: reads.into_iter().map(|read| sight.event(read)).collect(),
            supersedes: sight.sessions(supersedes),
        })
    }

    /// The reads of the passages that a session's ends are in.
    async fn reads_of(&self, row: &SessionRow) -> Result<Vec<EventRow>, Error> {
        let mut reads: BTreeMap<EventKey, EventRow> = BTreeMap::new();
        for end in ends(row) {
            let around = self.reads_around(&row.session.vehicle, end.time).await?;
            let explanation = self.explanation(&row.session.vehicle, &end, row.session.state == State::Void).await?;
            for key in explanation.passage.reads() {
                if let Some(read) = self.read(&around, key).await? {
                    reads.insert(*key, read);
                }
            }
        }
        Ok(reads.into_values().collect())
    }

    /// An event as it was read. One of an unread plate is not among the reads of its vehicle.
    async fn read(&self, reads: &Reads, key: &EventKey) -> Result<Option<EventRow>, Error> {
        if let Some(read) = reads.row(key) {
            return Ok(Some(read.clone()));
        }
        let is_it = |read: &EventRow| read.key == *key && read.vehicle == reads.vehicle;
        Ok(self.ledger.events_with_id(key.id).await?.into_iter().find(is_it))
    }

    async fn changes_of(&self, sessions: &[SessionId], sight: &Sight) -> Result<Vec<SeenChange>, Error> {
        let mut changes: Vec<ChangeRow> = Vec::new();
        for session in sessions {
            changes.extend(self.ledger.changes_of(*session).await?);
        }
        changes.sort_unstable_by_key(|change| change.sequence);
        Ok(changes.iter().map(|change| sight.change(change)).collect())
    }
}

/// Which event an event supersedes, and which one supersedes it, as sentences behind an explanation.
fn revision(event: &EventRow, sight: &Sight) -> String {
    let by = event.superseded_by.map(|by| format!(" It is superseded by event {}.", sight.event_id(by)));
    let other = event.supersedes.map(|other| format!(" It supersedes event {}.", sight.event_id(other)));
    by.into_iter().chain(other).collect()
}

/// The events of a session: its entry, then its exit.
fn ends(row: &SessionRow) -> Vec<EventKey> {
    let session = &row.session;
    let end = |direction, time: Option<Timestamp>, id: Option<Uuid>| Some(EventKey { time: time?, direction, id: id? });
    let entry = end(Direction::Entry, session.entry_time, session.entry_event_id);
    let exit = end(Direction::Exit, session.exit_time, session.exit_event_id);
    if row.source == Source::Summary { Vec::new() } else { entry.into_iter().chain(exit).collect() }
}

/// The event that explains a session: its exit, or else its entry; of a void one the event that gave it.
pub(super) fn explaining(row: &SessionRow) -> Option<EventKey> {
    let ends = ends(row);
    let chosen = if row.session.state == State::Void { ends.first() } else { ends.last() };
    chosen.copied()
}

/// The reads of a vehicle around a time, by time.
struct Reads {
    vehicle: Vehicle,
    rows: Vec<EventRow>,
}

impl Reads {
    fn row(&self, key: &EventKey) -> Option<&EventRow> {
        self.rows.binary_search_by_key(key, |read| read.key).ok().map(|place| &self.rows[place])
    }

    /// Some reads before an event, the event, and some behind it.
    fn beside(&self, event: &EventRow) -> Vec<EventRow> {
        let Ok(place) = self.rows.binary_search_by_key(&event.key, |read| read.key) else {
            return vec![event.clone()];
        };
        let most = usize::try_from(READS_BESIDE).unwrap_or(usize::MAX);
        let end = (place + most / 2).max(most).min(self.rows.len());
        self.rows[end.saturating_sub(most)..end].to_vec()
    }
}
