//! The sessions of one lot with its misread matches: the canonical sessions of each plate, with what the likelihood
//! adds.
//!
//! A misread match makes one matched session out of an entry without an exit and an exit without an entry; its id,
//! plate and lot are those of the entry. A read that repeats another passage has no session. Exact matches stay as they
//! are, some with a doubt. Where the reads come from, and where the sessions go, is left to the caller.

use std::collections::BTreeMap;

use parking::{Direction, EventKey, LotId, Plate, Rules, Session, State, Vehicle};

use super::decide::Decisions;
use super::letters::Letters;
use super::reads::{GateRead, Lot, Read};
use crate::history::settled_sessions;

/// A session of a lot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LotSession {
    /// The session; of a misread match the plate is the entry's.
    pub session: Session,
    /// The plate that was read at the exit of a misread match.
    pub exit_plate: Option<Plate>,
    /// The posterior of a misread match, in ten thousandths.
    pub match_probability: Option<u16>,
    /// The chance that an exact match is two stays, in ten thousandths, when it is above the limit of a doubt.
    pub doubt: Option<u16>,
}

/// The sessions of a lot, when every hold and stay has ended, in the order of their ids.
///
/// `lot` and `decisions` have to be those of `reads`; without decisions the sessions are the exact ones.
pub fn lot_sessions(
    id: &LotId,
    reads: &[GateRead],
    rules: &Rules,
    lot: &Lot,
    decisions: &Decisions,
) -> Vec<LotSession> {
    let mut sessions = exact_sessions(id, reads, rules, lot);
    let anchor = |(index, session): (usize, &LotSession)| anchor_of(&session.session).map(|anchor| (anchor, index));
    let anchors: BTreeMap<(EventKey, Letters), usize> = sessions.iter().enumerate().filter_map(anchor).collect();
    let index_of = |read: &Read| anchors.get(&(read.key, read.letters)).copied();
    let mut is_merged = vec![false; sessions.len()];
    for pair in decisions.matches() {
        let (entry, exit) = (&lot.entries[pair.entry].read, &lot.exits[pair.exit].read);
        let (Some(entry), Some(exit)) = (index_of(entry), index_of(exit)) else { continue };
        let (exit_plate, exit_event, exit_time) = {
            let exit = &sessions[exit].session;
            (exit.vehicle.plate.clone(), exit.exit_event_id, exit.exit_time)
        };
        let merged = &mut sessions[entry];
        merged.session = Session {
            exit_event_id: exit_event,
            exit_time,
            state: State::Matched,
            reason: None,
            ..merged.session.clone()
        };
        (merged.exit_plate, merged.match_probability) = (Some(exit_plate), Some(pair.posterior));
        is_merged[exit] = true;
    }
    for re_read in decisions.re_reads.iter().filter(|re_read| re_read.stands) {
        if let Some(index) = index_of(&re_read.read).filter(|index| sessions[*index].session.state != State::Matched) {
            is_merged[index] = true;
        }
    }
    for doubt in &decisions.doubts {
        if let Some(index) = index_of(&lot.exact[doubt.exact].entry) {
            sessions[index].doubt = Some(doubt.posterior);
        }
    }
    let mut kept = is_merged.iter();
    sessions.retain(|_| kept.next() == Some(&false));
    sessions.sort_by_key(|session| session.session.id);
    sessions
}

fn exact_sessions(id: &LotId, reads: &[GateRead], rules: &Rules, lot: &Lot) -> Vec<LotSession> {
    let mut vehicles: BTreeMap<&Plate, Vec<EventKey>> = BTreeMap::new();
    for read in reads {
        vehicles.entry(&read.plate).or_default().push(read.key);
    }
    let mut sessions = Vec::new();
    for (plate, mut keys) in vehicles {
        let vehicle = Vehicle { lot: id.clone(), plate: plate.clone() };
        let exact = settled_sessions(&vehicle, &mut keys, rules, lot.time).into_iter();
        sessions.extend(exact.map(|session| LotSession {
            session,
            exit_plate: None,
            match_probability: None,
            doubt: None,
        }));
    }
    sessions
}

/// The key and the letters of a session's anchor event.
fn anchor_of(session: &Session) -> Option<(EventKey, Letters)> {
    let entry = session.entry_event_id.zip(session.entry_time).map(|(id, time)| (time, Direction::Entry, id));
    let exit = || session.exit_event_id.zip(session.exit_time).map(|(id, time)| (time, Direction::Exit, id));
    let (time, direction, id) = entry.or_else(exit)?;
    Some((EventKey { time, direction, id }, Letters::of(&session.vehicle.plate)))
}
