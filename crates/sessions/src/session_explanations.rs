//! Explanations of the sessions of a list, each with the most similar plate.
//!
//! [`story`](super::story) explains a single session. For a page, one call loads all timelines, and the sessions that
//! may have the missing ends are read once for each lot and direction.

use std::collections::BTreeMap;

use ledger::{SessionFilter, SessionRow};
use matching::{Explanation, Limits, LoadRequest, Timeline, explain};
use parking::{Direction, EventKey, LotId, Plate, State, Timestamp, Vehicle};

use super::near::{given, near_of, others};
use super::seen::{SeenSession, Sight};
use super::story::{NearSession, explaining};
use super::{Error, Inner, Service, within};

/// For all rows of a list, similar plates are searched among this many sessions of each lot and direction. The
/// explanation of a single session searches more.
const LIST_CANDIDATES_MAX: u32 = 500;

/// The explanation of a session, with the most similar plate.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionExplanation {
    /// The explanation of the event that decided the session, with ids as the principal sees them.
    pub explanation: Explanation,
    /// The session with the most similar plate that may have the other end. None for a principal that sees masked plates.
    pub near: Option<NearSession>,
}

type Others = BTreeMap<(LotId, Direction), Vec<SessionRow>>;

impl Service {
    /// Explains sessions, at most a page of them, in their order; `None` for a summary.
    pub(crate) async fn session_explanations(
        &self,
        rows: &[SessionRow],
        sight: &Sight,
    ) -> Result<Vec<Option<SessionExplanation>>, Error> {
        within(async {
            let timelines = self.inner.timelines(rows).await?;
            let others = if sight.is_whole() { self.inner.others(rows).await? } else { Others::new() };
            let mut explanations = Vec::with_capacity(rows.len());
            for row in rows {
                explanations.push(match explaining(row) {
                    Some(key) => {
                        let found = self.inner.session_explanation(row, &key, &timelines, &others).await?;
                        Some(SessionExplanation { explanation: sight.explanation(found.explanation), ..found })
                    }
                    None => None,
                });
            }
            Ok(explanations)
        })
        .await
    }

    /// Of these sessions, newest first, the newest one of each plate that is similar to a plate, the most similar first.
    pub(crate) fn near_plates(&self, plate: &Plate, rows: &[SessionRow]) -> Vec<SeenSession> {
        let newest: BTreeMap<&Plate, &SessionRow> =
            rows.iter().rev().map(|row| (&row.session.vehicle.plate, row)).collect();
        let near = near_of(&self.inner.rules, plate, self.now(), newest.into_values());
        near.into_iter().map(|near| near.session).collect()
    }
}

impl Inner {
    /// The timelines of all vehicles of a list, each as far back as its oldest session there.
    async fn timelines(&self, rows: &[SessionRow]) -> Result<BTreeMap<Vehicle, Timeline>, Error> {
        let mut oldest: BTreeMap<&Vehicle, Timestamp> = BTreeMap::new();
        for row in rows.iter().filter(|row| !self.rules.is_unread(&row.session.vehicle.plate)) {
            if let Some(key) = explaining(row) {
                let known = oldest.entry(&row.session.vehicle).or_insert(key.time);
                *known = key.time.min(*known);
            }
        }
        let request = |(vehicle, time): (&&Vehicle, &Timestamp)| LoadRequest {
            vehicle: (*vehicle).clone(),
            reaching: Some(*time),
        };
        let requests: Vec<LoadRequest> = oldest.iter().map(request).collect();
        let loaded = self.ledger.load(&requests, &self.rules).await?;
        Ok(requests
            .into_iter()
            .map(|request| request.vehicle)
            .zip(loaded.into_iter().map(|one| one.timeline))
            .collect())
    }

    /// The sessions that may have the ends that the sessions of a list lack, by lot and by the direction of the known end.
    async fn others(&self, rows: &[SessionRow]) -> Result<Others, Error> {
        let mut wanted: BTreeMap<(LotId, Direction), SessionFilter> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.session.dwell_ms().is_none()) {
            let Some(key) = explaining(row) else { continue };
            let filter = self.others_of(row, &key);
            let known =
                wanted.entry((row.session.vehicle.lot.clone(), key.direction)).or_insert_with(|| filter.clone());
            (known.from, known.to) = (known.from.min(filter.from), known.to.max(filter.to));
        }
        let mut others = Others::new();
        for ((lot, direction), filter) in wanted {
            let (rows, _) = self.candidates(filter, direction, LIST_CANDIDATES_MAX).await?;
            others.insert((lot, direction), rows);
        }
        Ok(others)
    }

    fn others_of(&self, row: &SessionRow, key: &EventKey) -> SessionFilter {
        let lot = &row.session.vehicle.lot;
        others(lot, key, self.rules.max_stay_of(lot))
    }

    async fn session_explanation(
        &self,
        row: &SessionRow,
        key: &EventKey,
        timelines: &BTreeMap<Vehicle, Timeline>,
        others: &Others,
    ) -> Result<SessionExplanation, Error> {
        let vehicle = &row.session.vehicle;
        let limits = Limits::of(&self.rules, &vehicle.lot);
        let known = timelines.get(vehicle).and_then(|timeline| explain(vehicle, timeline, limits, key).ok().flatten());
        let explanation = match known {
            Some(explanation) => explanation,
            // Nothing was read, a passage reaches further back, or an event has come in between.
            None => self.explanation(vehicle, key, row.session.state == State::Void).await?,
        };
        let near = others.get(&(vehicle.lot.clone(), key.direction)).filter(|_| explanation.misses_an_end());
        let near = near.and_then(|rows| {
            let filter = self.others_of(row, key);
            let may_be = |other: &&SessionRow| {
                let time = Some(given(other));
                filter.from <= time && time < filter.to
            };
            near_of(&self.rules, &vehicle.plate, key.time, rows.iter().filter(may_be)).into_iter().next()
        });
        Ok(SessionExplanation { explanation, near })
    }
}
