//! Group commit: requests that write, gathered so that one transaction carries all that wait.
//!
//! What arrives while a transaction is written to disk is the next one, so that load makes transactions larger and
//! idleness makes them prompt. A request that was taken is carried out whether or not its caller still waits. One that
//! can't be carried out does not harm those of its group: they are tried again, each alone.

use std::collections::{HashMap, HashSet};

use matching::{Outcome, Unit};
use parking::{SessionId, Timestamp, Vehicle};
use tokio::sync::{mpsc, oneshot};

use super::plan::Plan;
use super::rollup::changes_its_exit;
use super::rows::{ExitsBefore, PlannedVehicle};
use super::{Error, Saved, SessionRow, Summary};

/// Closes a group commit at this many events and summaries.
const ENOUGH: usize = 8_192;

/// Work for a writer, and the channel for its answer.
#[derive(Debug)]
pub(super) struct Request<W, A> {
    pub(super) work: W,
    pub(super) reply: oneshot::Sender<Result<A, Error>>,
}

impl<W, A> Request<W, A> {
    pub(super) fn answer(self, answer: Result<A, Error>) {
        // The caller may have gone away; what it requested is done.
        drop(self.reply.send(answer));
    }
}

/// Sends a request and waits for its answer.
pub(super) async fn call<R, W, A>(
    requests: &mpsc::Sender<R>,
    work: W,
    message: impl FnOnce(Request<W, A>) -> R,
) -> Result<A, Error> {
    let (reply, answer) = oneshot::channel();
    requests.send(message(Request { work, reply })).await.map_err(|_| ended())?;
    answer.await.map_err(|_| ended())?
}

/// The error when nobody carries out requests any more.
pub(super) fn ended() -> Error {
    Error::Unavailable("its writer has ended; the log says why, and a restart of this service starts it again".into())
}

/// Units to record at a moment.
pub(super) type Record = Request<(Vec<Unit>, Timestamp), Vec<Outcome>>;
/// A summary to save at a moment.
pub(super) type Save = Request<(Summary, Timestamp), Saved>;

/// A request that writes.
#[derive(Debug)]
pub(super) enum WriteRequest {
    Record(Record),
    Save(Save),
}

/// Requests that share a transaction.
#[derive(Debug, Default)]
pub(super) struct Group {
    records: Vec<Record>,
    saves: Vec<Save>,
    events: usize,
}

/// The units and summaries of a group, by reference.
#[derive(Debug)]
pub(super) struct PendingWrites<'a> {
    records: Vec<&'a (Vec<Unit>, Timestamp)>,
    summaries: Vec<&'a (Summary, Timestamp)>,
}

/// What became of the work, in its order.
#[derive(Debug)]
pub(super) struct Answers {
    outcomes: Vec<Vec<Outcome>>,
    /// The session of each summary, and whether it is new.
    saved: Vec<(SessionRow, bool)>,
    /// The newest change once the work is committed.
    sequence: u64,
}

impl Group {
    pub(super) fn add(&mut self, request: WriteRequest) {
        match request {
            WriteRequest::Record(request) => {
                self.events += request.work.0.iter().map(|unit| unit.events.len().max(1)).sum::<usize>();
                self.records.push(request);
            }
            WriteRequest::Save(request) => {
                self.events += 1;
                self.saves.push(request);
            }
        }
    }

    pub(super) fn is_enough(&self) -> bool {
        self.events >= ENOUGH
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.saves.is_empty()
    }

    pub(super) fn work(&self) -> PendingWrites<'_> {
        PendingWrites {
            records: self.records.iter().map(|request| &request.work).collect(),
            summaries: self.saves.iter().map(|request| &request.work).collect(),
        }
    }

    /// Answers the requests, and returns those that have to be tried again, each alone.
    pub(super) fn settle(self, result: Result<Answers, Error>) -> Vec<Self> {
        match result {
            Ok(Answers { outcomes, saved, sequence }) => {
                self.records.into_iter().zip(outcomes).for_each(|(request, outcomes)| request.answer(Ok(outcomes)));
                for (request, (row, is_new)) in self.saves.into_iter().zip(saved) {
                    request.answer(Ok(Saved { row, is_new, sequence }));
                }
                Vec::new()
            }
            // What was wrong with one request must not be the others' loss.
            Err(Error::Corrupt(_)) if self.records.len() + self.saves.len() > 1 => {
                let records =
                    self.records.into_iter().map(|request| Self { records: vec![request], ..Self::default() });
                let saves = self.saves.into_iter().map(|request| Self { saves: vec![request], ..Self::default() });
                records.chain(saves).collect()
            }
            Err(error) => {
                self.records.into_iter().for_each(|request| request.answer(Err(error.clone())));
                self.saves.into_iter().for_each(|request| request.answer(Err(error.clone())));
                Vec::new()
            }
        }
    }
}

/// What a store has to look up before work is decided.
#[derive(Debug)]
pub(super) struct LoadedState {
    /// All vehicles of the work.
    pub(super) vehicles: HashMap<Vehicle, PlannedVehicle>,
    /// Sessions of the work's unread plates that are there.
    pub(super) unread: HashSet<SessionId>,
    /// The sessions of the work of which a unit may change the exit.
    pub(super) exits_before: ExitsBefore,
    /// Summaries of the work that are there.
    pub(super) summaries: HashMap<SessionId, SessionRow>,
    /// The number of the first new event.
    pub(super) next_event: i64,
}

/// The units and summaries of some work that change the ledger, each with its moment: what a journal keeps.
pub(super) type Accepted<'a> = (Vec<(Vec<&'a Unit>, Timestamp)>, Vec<&'a (Summary, Timestamp)>);

impl Answers {
    /// Whether all units were recorded and all summaries saved.
    pub(super) fn is_all_accepted(&self) -> bool {
        let mut outcomes = self.outcomes.iter().flatten();
        outcomes.all(|outcome| matches!(outcome, Outcome::Recorded(_))) && self.saved.iter().all(|(_, is_new)| *is_new)
    }

    /// The answers once the work is committed, with the number of the newest change by then.
    pub(super) fn committed_at(self, sequence: u64) -> Self {
        Self { sequence, ..self }
    }
}

impl<'a> PendingWrites<'a> {
    /// Units and summaries, each with its moment.
    pub(super) fn of(records: &'a [(Vec<Unit>, Timestamp)], summaries: &'a [(Summary, Timestamp)]) -> Self {
        Self { records: records.iter().collect(), summaries: summaries.iter().collect() }
    }

    /// What of the work changes the ledger, given the answers.
    pub(super) fn accepted(&self, answers: &Answers) -> Accepted<'a> {
        let records = self.records.iter().zip(&answers.outcomes).map(|((units, now), outcomes)| {
            let units = units.iter().zip(outcomes);
            let accepted = units.filter(|(unit, outcome)| match outcome {
                // Of an unread plate all events may be known; any other unit moves its vehicle on.
                Outcome::Recorded(applied) => unit.base.is_some() || applied.events > 0,
                Outcome::Lost(_) => false,
            });
            (accepted.map(|(unit, _)| unit).collect::<Vec<_>>(), *now)
        });
        let summaries = self.summaries.iter().zip(&answers.saved).filter(|(_, (_, is_new))| *is_new);
        (records.filter(|(units, _)| !units.is_empty()).collect(), summaries.map(|(summary, _)| *summary).collect())
    }

    pub(super) fn units(&self) -> impl Iterator<Item = &'a Unit> {
        self.records.iter().flat_map(|(units, _)| units)
    }

    pub(super) fn summaries(&self) -> impl Iterator<Item = &'a Summary> {
        self.summaries.iter().map(|(summary, _)| summary)
    }

    /// Whether a summary is part of the work.
    pub(super) fn has_summaries(&self) -> bool {
        !self.summaries.is_empty()
    }

    /// The vehicles of the work, each once, in the order in which they are locked.
    pub(super) fn vehicles(&self) -> Vec<&'a Vehicle> {
        let units = self.units().map(|unit| &unit.vehicle);
        let mut vehicles: Vec<_> = units.chain(self.summaries().map(|summary| &summary.vehicle)).collect();
        vehicles.sort_unstable_by_key(|vehicle| (&vehicle.plate, &vehicle.lot));
        vehicles.dedup();
        vehicles
    }

    /// The sessions of unread plates that the work may write.
    pub(super) fn unread(&self) -> impl Iterator<Item = SessionId> {
        self.units().filter(|unit| unit.base.is_none()).flat_map(|unit| &unit.changes).map(|change| change.session)
    }

    /// The sessions of which the work may change the exit.
    pub(super) fn of_changed_exit(&self) -> impl Iterator<Item = SessionId> {
        let changes = self.units().flat_map(|unit| &unit.changes);
        changes.filter(|change| changes_its_exit(change)).map(|change| change.session)
    }

    /// Decides the work: what becomes of it, and the rows to write.
    pub(super) fn decide(&self, found: LoadedState) -> Result<(Answers, Plan), Error> {
        let mut plan = Plan::new(found.vehicles, found.unread, found.exits_before, found.next_event);
        let mut outcomes = Vec::with_capacity(self.records.len());
        for (units, now) in &self.records {
            outcomes.push(units.iter().map(|unit| plan.take(unit, *now)).collect::<Result<_, _>>()?);
        }
        let mut rows = found.summaries;
        let mut saved = Vec::with_capacity(self.summaries.len());
        for (summary, now) in &self.summaries {
            let known = rows.get(&summary.id()).cloned();
            let is_new = known.is_none();
            let row = known.map_or_else(|| plan.save(summary, *now), Ok)?;
            rows.insert(summary.id(), row.clone());
            saved.push((row, is_new));
        }
        Ok((Answers { outcomes, saved, sequence: 0 }, plan))
    }
}
