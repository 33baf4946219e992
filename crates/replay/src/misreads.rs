//! The sessions of files with misread matches: exits and entries whose plates differ are matched by likelihood.
//!
//! Two passes over the events of each lot: first the model is learned from all of them, then they are decided by it. So
//! the sessions depend only on the set of events. Unlike the exact replay this keeps all events in memory. `reasons`
//! explains the decisions in a file of its own.

mod reasons;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_files::session_file::{MisreadColumns, Row, SessionFile, append_row_with_misreads};
use event_files::{Item, Observer, RefusedLines};
use matching::Limits;
use matching::misread::sessions::{LotSession, lot_sessions};
use matching::misread::{GateRead, Lot, Models, PlateKey, Purpose, Reasoner, Weigher, decide, learn};
use parking::{GateId, LotId, Timestamp};
use uuid::Uuid;

use super::settling::{OUTCOMES, Tally};
use super::{Error, Outcome, Replay};

use self::reasons::ReasonsFile;

/// The expected share of exits without an entry that are given one stays below this.
const FALSE_MATCH_TARGET: f64 = 0.01;
/// The stop is checked after this many events.
const STOP_CHECK_EVENTS: u64 = 4_096;

/// The reads of one lot.
#[derive(Debug, Default)]
struct LotReads {
    reads: Vec<GateRead>,
    /// The events that others supersede, by gate and id.
    superseded: HashSet<(Option<GateId>, Uuid)>,
    /// The time of the newest event, which another one may supersede.
    newest: Timestamp,
}

impl LotReads {
    /// Takes out the reads that others supersede.
    fn settle(&mut self, tally: &mut Tally) {
        if self.superseded.is_empty() {
            return;
        }
        let is_superseded = |read: &GateRead| self.superseded.contains(&(read.gate.clone(), read.key.id));
        let named: Vec<GateRead> = self.reads.iter().filter(|read| is_superseded(read)).cloned().collect();
        let named: BTreeSet<_> = named.iter().map(|read| (&read.plate, read.key)).collect();
        // Of copies that differ in their gate, one may be named.
        let before = self.reads.len();
        self.reads.retain(|read| !named.contains(&(&read.plate, read.key)));
        tally.superseded += named.len() as u64;
        tally.repeated += (before - self.reads.len() - named.len()) as u64;
    }
}

impl Replay {
    /// Like `run`, with misread matches.
    pub(super) fn run_with_misreads(&self, observer: &Arc<dyn Observer>, stop: &AtomicBool) -> Result<Outcome, Error> {
        let mut out = SessionFile::create_with_misreads(&self.sessions)?;
        let mut reasons = self.reasons.as_deref().map(ReasonsFile::create).transpose()?;
        let mut refused = RefusedLines::new(self.refused.as_deref(), observer)?;
        let mut lots = self.read(observer, stop, &mut refused)?;
        observer.show("matching");
        let mut tally = Tally::default();
        let mut sessions = Vec::new();
        for (lot, reads) in &mut lots {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped);
            }
            reads.settle(&mut tally);
            sessions.extend(self.sessions_of_lot(lot, reads, &mut tally, reasons.as_mut())?);
        }
        sessions.sort_by_key(|session| session.session.id);
        observer.show("writing");
        let mut line = Vec::new();
        for session in &sessions {
            line.clear();
            append(session, &mut line);
            out.write_rows(&line)?;
        }
        out.finish()?;
        reasons.map_or(Ok(()), ReasonsFile::finish)?;
        Ok(Outcome { tally, lots: lots.len(), refused })
    }

    fn read(
        &self,
        observer: &Arc<dyn Observer>,
        stop: &AtomicBool,
        refused: &mut RefusedLines,
    ) -> Result<BTreeMap<LotId, LotReads>, Error> {
        let mut lots: BTreeMap<LotId, LotReads> = BTreeMap::new();
        let mut count: u64 = 0;
        let mut collected = Ok(());
        event_files::read(&self.files, observer, &mut |item| {
            match item {
                Item::Event { event, certainty, supersedes, .. } => {
                    let read = GateRead::new(&event, certainty.as_deref());
                    let lot = lots.entry(event.vehicle.lot).or_default();
                    lot.reads.push(read);
                    lot.newest = lot.newest.max(event.key.time);
                    lot.superseded.extend(supersedes.map(|id| (event.gate, id)));
                }
                Item::Refused(line) => collected = refused.take(&line),
            }
            count += 1;
            let is_stopping = count.is_multiple_of(STOP_CHECK_EVENTS) && stop.load(Ordering::Relaxed);
            if is_stopping || collected.is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        collected?;
        if stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(lots) }
    }

    fn sessions_of_lot(
        &self,
        id: &LotId,
        LotReads { reads, newest, .. }: &LotReads,
        tally: &mut Tally,
        reasons: Option<&mut ReasonsFile>,
    ) -> Result<Vec<LotSession>, Error> {
        let mut lot = Lot::of_reads(reads, Limits::of(&self.rules, id), |plate| self.rules.is_unread(plate));
        lot.time = lot.time.max(*newest);
        // No plate leaves this process, so the key of their hashes need not be secret.
        let key = PlateKey::default();
        let purpose =
            Purpose { lot: id.clone(), valid_from: Timestamp::default(), false_match_target: FALSE_MATCH_TARGET, key };
        let models = Models::new(id, &[learn(&lot, &purpose)], key);
        let mut weigher = Weigher::new(&lot, &models);
        let decisions = decide(&mut weigher);
        if let Some(reasons) = reasons {
            reasons.write(id, &Reasoner::new(&weigher, &decisions, reads), lot.exits.len())?;
        }
        let sessions = lot_sessions(id, reads, &self.rules, &lot, &decisions);
        count(reads, &sessions, tally);
        Ok(sessions)
    }
}

/// Adds the events and sessions of one lot to the counts.
fn count(reads: &[GateRead], sessions: &[LotSession], tally: &mut Tally) {
    let mut events: Vec<_> = reads.iter().map(|read| (&read.plate, read.key)).collect();
    events.sort_unstable();
    events.dedup();
    tally.repeated += (reads.len() - events.len()) as u64;
    tally.vehicles += events.chunk_by(|one, next| one.0 == next.0).count() as u64;
    tally.re_reads += events.len() as u64;
    for LotSession { session, match_probability, doubt, .. } in sessions {
        let outcome = OUTCOMES.iter().position(|outcome| *outcome == (session.state, session.reason));
        tally.sessions[outcome.unwrap_or_default()] += 1;
        let ends = u64::from(session.entry_event_id.is_some()) + u64::from(session.exit_event_id.is_some());
        tally.re_reads -= ends;
        tally.misread_matches += u64::from(match_probability.is_some());
        tally.doubts += u64::from(doubt.is_some());
    }
}

fn append(session: &LotSession, text: &mut Vec<u8>) {
    let LotSession { session, exit_plate, match_probability, doubt } = session;
    let columns = MisreadColumns {
        exit_plate: exit_plate.as_ref().map(parking::Plate::as_str),
        match_probability: *match_probability,
        doubt: *doubt,
    };
    append_row_with_misreads(&Row::from(session), &columns, text);
}

#[cfg(test)]
mod tests;
