//! Where the other end of a session may be: sessions of the same lot that lack what it has, and could have it, of
//! plates that are nearly the same. Only for principals that see whole plates: a mask and a distance would tell too
//! much.

use ledger::{Order, Page, SessionFilter, SessionRow};
use matching::Explanation;
use matching::similar_plates::{SimilarPlate, most_similar};
use parking::{Direction, EventKey, LotId, Plate, Rules, State, Timestamp, Vehicle};

use super::seen::Sight;
use super::story::{CANDIDATES, NearPlates, NearSession};
use super::{Error, Inner};

impl Inner {
    /// Where the other end of a session may be, that lacks one.
    pub(super) async fn near(&self, vehicle: &Vehicle, explanation: &Explanation) -> Result<NearPlates, Error> {
        let representative = &explanation.passage.representative;
        let wanted = others(&vehicle.lot, representative, self.rules.max_stay_of(&vehicle.lot));
        let (rows, is_cut) = self.candidates(wanted, representative.direction, CANDIDATES).await?;
        Ok(NearPlates {
            sessions: near_of(&self.rules, &vehicle.plate, representative.time, &rows),
            searched: rows.len(),
            is_cut,
        })
    }

    /// The sessions of `filter` that are nearest to an event of that direction, at most `most`; whether there are more.
    pub(super) async fn candidates(
        &self,
        filter: SessionFilter,
        of: Direction,
        most: u32,
    ) -> Result<(Vec<SessionRow>, bool), Error> {
        let order = match of {
            Direction::Exit => Order::NewestFirst,
            Direction::Entry => Order::OldestFirst,
        };
        let mut rows = self.ledger.sessions(&filter, Page { limit: most + 1, after: None, order }).await?.rows;
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let is_cut = rows.len() > most;
        rows.truncate(most);
        Ok((rows, is_cut))
    }
}

/// The sessions of a lot that may have the other end of one that `end` is an end of.
pub(super) fn others(lot: &LotId, end: &EventKey, max_stay_ms: i64) -> SessionFilter {
    let (states, from, to) = match end.direction {
        Direction::Exit => {
            (vec![State::Open, State::UnmatchedEntry], end.time.plus_millis(max_stay_ms.saturating_neg()), end.time)
        }
        Direction::Entry => (vec![State::HeldExit, State::UnmatchedExit], end.time, end.time.plus_millis(max_stay_ms)),
    };
    SessionFilter {
        lot: Some(lot.clone()),
        states,
        from: Some(from),
        to: Some(to.plus_millis(1)),
        ..SessionFilter::default()
    }
}

/// Those of `rows` whose plates are nearly the same as one that was seen at `time`, the nearest first. A plate that
/// says that nothing was read is near to none.
pub(super) fn near_of<'a>(
    rules: &Rules,
    plate: &Plate,
    time: Timestamp,
    rows: impl IntoIterator<Item = &'a SessionRow>,
) -> Vec<NearSession> {
    if rules.is_unread(plate) {
        return Vec::new();
    }
    let was_read = |row: &&SessionRow| !rules.is_unread(&row.session.vehicle.plate);
    let rows: Vec<&SessionRow> = rows.into_iter().filter(was_read).collect();
    let candidates: Vec<(&Plate, Timestamp)> =
        rows.iter().map(|row| (&row.session.vehicle.plate, given(row))).collect();
    let session = |near: SimilarPlate| NearSession {
        session: Sight::Whole.session(rows[near.index].clone()),
        half_edits: near.half_edits,
    };
    most_similar(plate, time, &candidates).into_iter().map(session).collect()
}

/// When the event was that gave a session.
pub(super) fn given(row: &SessionRow) -> Timestamp {
    row.session.given_at().unwrap_or_default()
}
