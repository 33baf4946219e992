//! The vehicles that a person may mean by a part of a plate, each with its newest session.
//!
//! An index finds the plates that begin with the part, in the whole ledger. No index has other parts: they are compared
//! with the plates of the vehicles inside and of the newest sessions, of which a search looks at a limited number, and
//! the result says how far back it reached.

use std::collections::BTreeMap;

use access::{Lots, Scope};
use ledger::{Order, SESSIONS_LOOKED_AT_MAX, SessionFilter, SessionRow};
use parking::{Plate, SessionId, State, Timestamp, Vehicle};

use super::ScopedService;
use crate::{Error, SeenSession};

/// For an unknown plate, similar ones are searched among this many of the newest sessions.
const NEAR_SESSIONS_MAX: u32 = 1_000;
/// The most pages of sessions that one part of a search looks at; a page looks at up to [`SESSIONS_LOOKED_AT_MAX`]
/// sessions, in about 5 ms.
const PAGES_MAX: u32 = 20;
/// The most sessions in which a part that is not at the beginning of a plate is searched, besides the vehicles inside.
pub const NEWEST_SEARCHED_MAX: u32 = PAGES_MAX * SESSIONS_LOOKED_AT_MAX;
/// The most vehicles of one part of a search.
const VEHICLES_MAX: usize = 50;
/// A session's id begins with its time; this many other bits follow.
const BITS_AFTER_TIME: u32 = 80;

/// The vehicles that a person may mean by a part of a plate, the newest sessions first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVehicles {
    /// The newest session of each vehicle whose plate is longer than the part and begins with it.
    pub beginning: Vec<SeenSession>,
    /// The newest session of each vehicle whose plate has the part elsewhere.
    pub containing: Vec<SeenSession>,
    /// Since when all sessions were searched for the part; `None`: since the first one. Earlier ones only at the
    /// beginning of a plate, and those of vehicles inside.
    pub searched_since: Option<Timestamp>,
    /// Whether there may be more vehicles than are listed here.
    pub is_cut: bool,
}

/// The newest session of each vehicle.
type Newest = BTreeMap<Vehicle, SessionRow>;

impl ScopedService {
    /// The vehicles whose plates begin with a part or contain it. Those whose plate equals it are left out.
    ///
    /// # Errors
    /// The principal may not read plates, or the ledger can't be read.
    pub async fn vehicles_like(&self, part: &Plate) -> Result<FoundVehicles, Error> {
        let prefix = SessionFilter { plate_prefix: Some(part.clone()), ..SessionFilter::default() };
        let anywhere = SessionFilter { plate_part: Some(part.clone()), ..SessionFilter::default() };
        let inside = SessionFilter { states: vec![State::Open], ..anywhere.clone() };
        let lots = self.listed(&prefix)?;
        let is_other = |row: &SessionRow| row.session.vehicle.plate != *part;
        let begins = |row: &SessionRow| row.session.vehicle.plate.as_str().starts_with(part.as_str());
        let (beginning, containing, recent) = tokio::try_join!(
            self.newest_of_vehicles(&lots, &prefix, is_other),
            self.newest_of_vehicles(&lots, &inside, |row| !begins(row)),
            self.newest_of_vehicles(&lots, &anywhere, |row| !begins(row)),
        )?;
        let is_cut = beginning.stop.is_some() || containing.stop.is_some() || recent.vehicles.len() >= VEHICLES_MAX;
        let searched_since = recent.stop.map(time_of);
        let mut elsewhere = containing.vehicles;
        for (vehicle, row) in recent.vehicles {
            // That of the newest sessions is the newer one, unless the search ended before it.
            let known = elsewhere.entry(vehicle).or_insert_with(|| row.clone());
            if known.session.id < row.session.id {
                *known = row;
            }
        }
        Ok(FoundVehicles {
            beginning: self.newest_first(beginning.vehicles),
            containing: self.newest_first(elsewhere),
            searched_since,
            is_cut,
        })
    }

    /// Of the newest sessions, the newest one of each plate that is similar to a plate, the most similar first.
    ///
    /// # Errors
    /// The principal may not read plates, or the ledger can't be read.
    pub async fn near_plates(&self, plate: &Plate) -> Result<Vec<SeenSession>, Error> {
        let lots = self.readable(None)?;
        self.principal.require(Scope::ReadPlate)?;
        let page = ledger::Page { limit: NEAR_SESSIONS_MAX, after: None, order: Order::NewestFirst };
        let rows = self.rows(&lots, &SessionFilter::default(), page).await?.rows;
        Ok(self.service.near_plates(plate, &rows))
    }

    /// The newest session of each vehicle in a list, of those sessions that are wanted.
    async fn newest_of_vehicles(
        &self,
        lots: &Lots,
        filter: &SessionFilter,
        is_wanted: impl Fn(&SessionRow) -> bool,
    ) -> Result<Found, Error> {
        let (mut vehicles, mut after) = (Newest::new(), None);
        let limit = crate::MAX_PAGE;
        for _ in 0..PAGES_MAX {
            let page = ledger::Page { limit, after, order: Order::NewestFirst };
            // The future of a list is large, and there are three searches at once.
            let list = Box::pin(self.rows(lots, filter, page)).await?;
            let is_full = u32::try_from(list.rows.len()).unwrap_or(u32::MAX) >= limit;
            after = list.resume_after.or_else(|| list.rows.last().filter(|_| is_full).map(|last| last.session.id));
            for row in list.rows.into_iter().filter(&is_wanted) {
                if vehicles.len() >= VEHICLES_MAX && !vehicles.contains_key(&row.session.vehicle) {
                    return Ok(Found { stop: Some(row.session.id), vehicles });
                }
                vehicles.entry(row.session.vehicle.clone()).or_insert(row);
            }
            if after.is_none() {
                break;
            }
        }
        Ok(Found { stop: after, vehicles })
    }

    fn newest_first(&self, vehicles: Newest) -> Vec<SeenSession> {
        let mut rows: Vec<SessionRow> = vehicles.into_values().collect();
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.session.id));
        rows.truncate(VEHICLES_MAX);
        self.sight.sessions(rows)
    }
}

/// The result of one part of a search.
struct Found {
    vehicles: Newest,
    /// Where the search ended before the end of the list.
    stop: Option<SessionId>,
}

/// The time of the anchor event of a session, or of a position among sessions.
fn time_of(id: SessionId) -> Timestamp {
    Timestamp::from_millis(i64::try_from(id.as_uuid().as_u128() >> BITS_AFTER_TIME).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use ledger_stores::testing::temporary;

    use super::*;
    use crate::testing::{Fixture, Vehicles, minute};

    #[tokio::test]
    async fn a_part_of_a_plate_finds_each_vehicle_with_its_newest_session() {
        let (fixture, mut vehicles) = (Fixture::new(temporary().await), Vehicles::default());
        for (number, plate) in (0..).zip(["AB12", "AB123", "XAB12", "NO1", "AB123", "12AB"]) {
            fixture.record(vec![vehicles.entry("P3", plate, minute(2 * number))]).await;
            fixture.record(vec![vehicles.exit("P3", plate, minute(2 * number + 1))]).await;
        }
        fixture.record(vec![vehicles.entry("P4", "XAB12", minute(60))]).await;
        let like = async |part: &str| fixture.local().vehicles_like(&Plate::named(part).unwrap()).await.unwrap();
        let shown = |rows: &[SeenSession]| {
            rows.iter().map(|row| format!("{} {} {}", row.lot, row.plate, row.entry_time.unwrap())).collect::<Vec<_>>()
        };
        let at = |number: i64| minute(number).to_string();

        let found = like("ab12").await;
        assert_eq!(shown(&found.beginning), [format!("P3 AB123 {}", at(8))]);
        assert_eq!(shown(&found.containing), [format!("P4 XAB12 {}", at(60)), format!("P3 XAB12 {}", at(4))]);
        assert_eq!((found.searched_since, found.is_cut), (None, false));
        let none = like("ZZ").await;
        assert_eq!((none.beginning, none.containing), (Vec::new(), Vec::new()));
    }

    #[tokio::test]
    async fn a_part_that_many_plates_have_ends_with_a_notice() {
        let (fixture, mut vehicles) = (Fixture::new(temporary().await), Vehicles::default());
        let units = (0..60).map(|number| vehicles.entry("P3", &format!("X{number}AB"), minute(number))).collect();
        fixture.record(units).await;

        let found = fixture.local().vehicles_like(&Plate::named("AB").unwrap()).await.unwrap();

        assert_eq!((found.beginning.len(), found.containing.len(), found.is_cut), (0, VEHICLES_MAX, true));
        assert_eq!(found.searched_since, Some(minute(9)), "where the search of the newest sessions ended");
    }
}
