//! Reads pages of sessions.

use parking::{SessionId, State};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{changes, read, vehicles};
use crate::encoding::Code as _;
use crate::list::{IdRange, Scan, direction, is_chosen, is_of_lot, merge, scans};
use crate::{Error, Order, Page, SessionFilter, SessionList};

/// One page of sessions, and the newest change of the snapshot that it is read from.
pub(super) fn sessions(connection: &Connection, filter: &SessionFilter, page: &Page) -> Result<SessionList, Error> {
    let sequence = changes::last_change(connection)?;
    let Some(range) = IdRange::of(filter, page) else { return Ok(SessionList { rows: Vec::new(), sequence }) };
    let search = Search { connection, filter, page, range };
    let ids = match &filter.plate {
        Some(plate) => search.of_plate(plate.as_str())?,
        None => search.of_all()?,
    };
    Ok(SessionList { rows: read::sessions(connection, &merge(ids, page))?, sequence })
}

/// Searches for the ids of one page.
struct Search<'a> {
    connection: &'a Connection,
    filter: &'a SessionFilter,
    page: &'a Page,
    range: IdRange,
}

impl Search<'_> {
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
                for number in self.all_lots()? {
                    self.scan(&rows_of(scan, Some(number)), &mut ids)?;
                }
            } else {
                self.scan(&rows_of(scan, lot), &mut ids)?;
            }
        }
        Ok(ids)
    }

    /// Adds the ids of the page's first sessions among `rows`.
    fn scan(&self, rows: &str, ids: &mut Vec<SessionId>) -> Result<(), Error> {
        let sql = scan_sql(rows, self.page.order);
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut found =
            statement.query(params![self.range.first.as_bytes(), self.range.last.as_bytes(), self.page.limit])?;
        while let Some(row) = found.next()? {
            ids.push(SessionId::from_uuid(vehicles::uuid(row, 0)?));
        }
        Ok(())
    }

    fn all_lots(&self) -> Result<Vec<i64>, Error> {
        let mut statement = self.connection.prepare_cached("SELECT lot_no FROM lot")?;
        let lots = statement.query_map([], |row| row.get(0))?;
        Ok(lots.collect::<Result<_, _>>()?)
    }

    /// Finds the first sessions of a vehicle through the chain of its events, and those outside of the chain through an
    /// index.
    fn of_plate(&self, plate: &str) -> Result<Vec<SessionId>, Error> {
        let mut ids = Vec::new();
        for (vehicle, row) in vehicles::by_plate(self.connection, plate)? {
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
            self.scan(&listed_rows(row.number, &states.join(", ")), &mut ids)?;
        }
        Ok(ids)
    }

    /// Whether the session exists and is in one of the chosen states.
    fn is_chosen(&self, id: SessionId) -> Result<bool, Error> {
        let mut statement = self.connection.prepare_cached("SELECT state FROM session WHERE session_id = ?1")?;
        let state = statement.query_row(params![id.as_uuid().as_bytes()], |row| row.get(0)).optional()?;
        let state = state.map(State::from_code).transpose()?;
        Ok(state.is_some_and(|state| is_chosen(&self.filter.states, state)))
    }
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

/// Selects the ids of the first sessions among `rows`.
pub(super) fn scan_sql(rows: &str, order: Order) -> String {
    let order = direction(order);
    format!(
        "SELECT session_id FROM session {rows} AND session_id BETWEEN ?1 AND ?2 ORDER BY session_id {order} LIMIT ?3"
    )
}
