//! Reads pages of sessions.

use parking::{LotId, Reason, SessionId, Source as Origin, State, Timestamp, Vehicle};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{changes, read, vehicles};
use crate::encoding::{self, Code as _};
use crate::list::{IdRange, Scan, direction, is_chosen, is_of_lot, merge, scans};
use crate::looking::{Candidate, Found, Look, Source, is_looked_through};
use crate::rows::StoredVehicle;
use crate::{Error, Order, Page, SessionFilter, SessionList};

/// One page of sessions, and the newest change of the snapshot that it is read from.
pub(super) fn sessions(connection: &Connection, filter: &SessionFilter, page: &Page) -> Result<SessionList, Error> {
    let sequence = changes::last_change(connection)?;
    let Some(range) = IdRange::of(filter, page) else {
        return Ok(SessionList { rows: Vec::new(), sequence, resume_after: None });
    };
    let (ids, resume_after) = Search { connection, filter, page, range }.page()?;
    Ok(SessionList { rows: read::sessions(connection, &ids)?, sequence, resume_after })
}

/// Searches for the ids of one page.
struct Search<'a> {
    connection: &'a Connection,
    filter: &'a SessionFilter,
    page: &'a Page,
    range: IdRange,
}

impl Search<'_> {
    /// The ids of the page, and where the list goes on if the page is not full.
    fn page(&self) -> Result<(Vec<SessionId>, Option<SessionId>), Error> {
        let vehicles = match (&self.filter.plate, &self.filter.plate_prefix) {
            (Some(plate), _) => Some(vehicles::by_plate(self.connection, plate.as_str())?),
            (None, Some(prefix)) => vehicles::by_prefix(self.connection, prefix.as_str())?,
            (None, None) => None,
        };
        match vehicles {
            Some(vehicles) => Ok((merge(self.of_vehicles(vehicles)?, self.page), None)),
            None if is_looked_through(self.filter) => self.looked_through(),
            None => Ok((merge(self.of_all()?, self.page), None)),
        }
    }

    fn of_all(&self) -> Result<Vec<SessionId>, Error> {
        let mut ids = Vec::new();
        let lot = match &self.filter.lot {
            Some(lot) => match vehicles::lot_number(self.connection, lot)? {
                Some(number) => Some(number),
                None => return Ok(ids),
            },
            None => None,
        };
        for scan in scans(&self.filter.states) {
            if let (Scan::Open, None) = (scan, lot) {
                for (number, _) in self.lots()? {
                    self.scan(&rows_of(scan, Some(number)), self.page.limit, &mut ids)?;
                }
            } else {
                self.scan(&rows_of(scan, lot), self.page.limit, &mut ids)?;
            }
        }
        Ok(ids)
    }

    /// Looks through sessions whose conditions no index has.
    fn looked_through(&self) -> Result<(Vec<SessionId>, Option<SessionId>), Error> {
        let look = Look::new(self.filter, self.page, self.range, &self.lots()?);
        let sources = look.sources();
        let rows_max = look.rows_max(&sources);
        let mut found = Found::default();
        for Source { scan, lot, ids } in sources {
            let sql = scan_sql(&look.columns(), &rows_of(scan, lot), self.page.order);
            let mut statement = self.connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params![ids.first.as_bytes(), ids.last.as_bytes(), rows_max])?;
            let mut looked_at = Vec::new();
            while let Some(row) = rows.next()? {
                looked_at.push(candidate(row)?);
            }
            found.add(&look, &looked_at, rows_max);
        }
        Ok(found.page(self.page))
    }

    /// Adds the ids of the page's first sessions among `rows`.
    fn scan(&self, rows: &str, limit: u32, ids: &mut Vec<SessionId>) -> Result<(), Error> {
        let sql = scan_sql("session_id", rows, self.page.order);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found = statement.query(params![self.range.first.as_bytes(), self.range.last.as_bytes(), limit])?;
        while let Some(row) = found.next()? {
            ids.push(SessionId::from_uuid(vehicles::uuid(row, 0)?));
        }
        Ok(())
    }

    fn lots(&self) -> Result<Vec<(i64, LotId)>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT lot_no, lot_id FROM lot")?;
        let mut rows = statement.query([])?;
        let mut lots = Vec::new();
        while let Some(row) = rows.next()? {
            lots.push((row.get(0)?, encoding::lot_id(&row.get::<_, String>(1)?)?));
        }
        Ok(lots)
    }

    /// Finds the first sessions of vehicles through the chains of their events, and those outside of the chains through
    /// an index.
    fn of_vehicles(&self, vehicles: Vec<(Vehicle, StoredVehicle)>) -> Result<Vec<SessionId>, Error> {
        let look = if is_looked_through(self.filter) {
            Some(Look::new(self.filter, self.page, self.range, &self.lots()?))
        } else {
            None
        };
        let mut ids = Vec::new();
        for (vehicle, row) in vehicles {
            if !is_of_lot(self.filter, &vehicle.lot) {
                continue;
            }
            for event in vehicles::chain(self.connection, row.listed_after.or(row.last_event))? {
                let id = SessionId::of_event(&vehicle, &event.key);
                if self.range.contains(id) && self.is_chosen(id)? {
                    ids.push(id);
                }
            }
            let states: Vec<_> = State::ALL.iter().filter(|state| is_chosen(&self.filter.states, **state)).collect();
            let states: Vec<_> = states.into_iter().map(|state| state.code().to_string()).collect();
            // Those that the conditions leave out must not take places of the page.
            let limit = if look.is_some() { u32::MAX } else { self.page.limit };
            self.scan(&listed_rows(row.number, &states.join(", ")), limit, &mut ids)?;
        }
        match look {
            Some(look) => self.listed(&look, ids),
            None => Ok(ids),
        }
    }

    /// Those of some sessions that belong to the list.
    fn listed(&self, look: &Look<'_>, ids: Vec<SessionId>) -> Result<Vec<SessionId>, Error> {
        let sql = format!("SELECT {} FROM session WHERE session_id = ?1", look.columns());
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut listed = Vec::new();
        for id in ids {
            let mut rows = statement.query(params![id.as_uuid().as_bytes()])?;
            let row = rows.next()?.map(candidate).transpose()?;
            listed.extend(row.filter(|row| look.is_listed(row)).map(|row| row.id));
        }
        Ok(listed)
    }

    /// Whether the session exists and is in one of the chosen states.
    fn is_chosen(&self, id: SessionId) -> Result<bool, Error> {
        let mut statement = self.connection.prepare_cached("SELECT state FROM session WHERE session_id = ?1")?;
        let state = statement.query_row(params![id.as_uuid().as_bytes()], |row| row.get(0)).optional()?;
        let state = state.map(State::from_code).transpose()?;
        Ok(state.is_some_and(|state| is_chosen(&self.filter.states, state)))
    }
}

/// Reads the columns of a candidate.
fn candidate(row: &Row<'_>) -> Result<Candidate, Error> {
    Ok(Candidate {
        id: SessionId::from_uuid(vehicles::uuid(row, 0)?),
        lot: row.get(1)?,
        state: State::from_code(row.get(2)?)?,
        reason: row.get::<_, Option<i16>>(3)?.map(Reason::from_code).transpose()?,
        origin: Origin::from_code(row.get(4)?)?,
        exit: row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        gates: [row.get(6)?, row.get(7)?],
        plate: row.get(8)?,
    })
}

/// Returns the rows of a scan. Every scan names its index: without statistics the planner might choose another. The SQL
/// contains only words and numbers of this program.
pub(super) fn rows_of(scan: Scan, lot: Option<i64>) -> String {
    let of_lot = lot.map_or_else(String::new, |number| format!(" AND lot_no = {number}"));
    let main = if lot.is_some() { "INDEXED BY session_lot " } else { "" };
    match scan {
        Scan::Standing => format!("{main}WHERE state <> 5{of_lot}"),
        Scan::Matched => format!("{main}WHERE state = 2{of_lot}"),
        Scan::Held => format!("INDEXED BY session_held WHERE state = 1{of_lot}"),
        Scan::Open => format!("INDEXED BY session_open WHERE state = 0{of_lot}"),
        Scan::Exceptional(state) => {
            format!("INDEXED BY session_exceptional WHERE state >= 3 AND state = {}{of_lot}", state.code())
        }
    }
}

/// Selects the listed sessions of a vehicle in one of these states.
pub(super) fn listed_rows(vehicle_number: i64, states: &str) -> String {
    format!("INDEXED BY session_listed WHERE listed = 1 AND vehicle_no = {vehicle_number} AND state IN ({states})")
}

/// Selects columns of the first sessions among `rows`.
pub(super) fn scan_sql(columns: &str, rows: &str, order: Order) -> String {
    let order = direction(order);
    format!(
        "SELECT {columns} FROM session {rows} AND session_id BETWEEN ?1 AND ?2 ORDER BY session_id {order} LIMIT ?3"
    )
}
