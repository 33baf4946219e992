//! Reads pages of sessions.

use deadpool_postgres::Transaction;
use parking::{LotId, Reason, SessionId, Source as Origin, State, Timestamp, Vehicle};
use tokio_postgres::{IsolationLevel, Row};
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;
use super::{changes, read, vehicles};
use crate::encoding::{self, Code as _};
use crate::list::{IdRange, Scan, direction, is_chosen, is_of_lot, merge, scans};
use crate::looking::{Candidate, Found, Look, Source, is_looked_through};
use crate::rows::StoredVehicle;
use crate::{Order, Page, SessionFilter, SessionList};

/// Returns one page of sessions, and the newest change of the snapshot that it is read from.
pub(super) async fn sessions(store: &Store, filter: &SessionFilter, page: &Page) -> Result<SessionList, Failure> {
    let mut client = store.connection().await?;
    let moment = client.build_transaction().read_only(true).isolation_level(IsolationLevel::RepeatableRead);
    let transaction = moment.start().await?;
    let sequence = changes::last_change(&transaction).await?;
    let Some(range) = IdRange::of(filter, page) else {
        transaction.commit().await?;
        client.end_well();
        return Ok(SessionList { rows: Vec::new(), sequence, resume_after: None });
    };
    let search = Search { transaction: &transaction, filter, page, range };
    let (ids, resume_after) = search.page().await?;
    let mut rows = read::rows(&transaction, &ids).await?;
    transaction.commit().await?;
    client.end_well();
    Ok(SessionList { rows: ids.iter().filter_map(|id| rows.remove(id)).collect(), sequence, resume_after })
}

/// Searches for the ids of one page.
struct Search<'a> {
    transaction: &'a Transaction<'a>,
    filter: &'a SessionFilter,
    page: &'a Page,
    range: IdRange,
}

impl Search<'_> {
    /// The ids of the page, and where the list goes on if the page is not full.
    async fn page(&self) -> Result<(Vec<SessionId>, Option<SessionId>), Failure> {
        let vehicles = match (&self.filter.plate, &self.filter.plate_prefix) {
            (Some(plate), _) => Some(vehicles::by_plate(self.transaction, plate.as_str()).await?),
            (None, Some(prefix)) => vehicles::by_prefix(self.transaction, prefix.as_str()).await?,
            (None, None) => None,
        };
        match vehicles {
            Some(vehicles) => Ok((merge(self.of_vehicles(vehicles).await?, self.page), None)),
            None if is_looked_through(self.filter) => self.looked_through().await,
            None => Ok((merge(self.of_all().await?, self.page), None)),
        }
    }

    /// Looks through sessions whose conditions no index has: one query for each scan, for all its lots and ranges.
    async fn looked_through(&self) -> Result<(Vec<SessionId>, Option<SessionId>), Failure> {
        let look = Look::new(self.filter, self.page, self.range, &self.lots().await?);
        let sources = look.sources();
        let rows_max = look.rows_max(&sources);
        let mut found = Found::default();
        for scan in scans(&self.filter.states) {
            let of_scan: Vec<&Source> = sources.iter().filter(|source| source.scan == scan).collect();
            let Some(first) = of_scan.first() else { continue };
            let sql = looking_sql(&look.columns(), scan, first.lot.is_some(), self.page.order);
            let lots: Vec<Option<i64>> = of_scan.iter().map(|source| source.lot).collect();
            let (firsts, lasts): (Vec<Uuid>, Vec<Uuid>) =
                of_scan.iter().map(|source| (source.ids.first, source.ids.last)).unzip();
            let mut of_sources: Vec<Vec<Candidate>> = vec![Vec::new(); of_scan.len()];
            for row in self.transaction.query(&sql, &[&lots, &firsts, &lasts, &i64::from(rows_max)]).await? {
                // `WITH ORDINALITY` counts from one.
                let index = usize::try_from(row.try_get::<_, i64>(9)? - 1).unwrap_or(usize::MAX);
                if let Some(rows) = of_sources.get_mut(index) {
                    rows.push(candidate(&row)?);
                }
            }
            for rows in &of_sources {
                found.add(&look, rows, rows_max);
            }
        }
        Ok(found.page(self.page))
    }

    async fn of_all(&self) -> Result<Vec<SessionId>, Failure> {
        let mut ids = Vec::new();
        let lot = match &self.filter.lot {
            Some(lot) => match self.lot_number(lot).await? {
                Some(number) => Some(number),
                None => return Ok(ids),
            },
            None => None,
        };
        let of_lot = lot.map_or_else(String::new, |number| format!(" AND lot_no = {number}"));
        for scan in scans(&self.filter.states) {
            match scan {
                Scan::Standing => self.scan(&format!("state <> 5{of_lot}"), &mut ids).await?,
                Scan::Matched => self.scan(&format!("state = 2{of_lot}"), &mut ids).await?,
                Scan::Held => self.scan(&format!("held_since_ms IS NOT NULL{of_lot}"), &mut ids).await?,
                Scan::Exceptional(state) => {
                    self.scan(&format!("exceptional AND state = {}{of_lot}", state.code()), &mut ids).await?;
                }
                Scan::Open => self.open(lot, &mut ids).await?,
            }
        }
        Ok(ids)
    }

    /// Adds the ids of the page's first sessions among `rows`.
    async fn scan(&self, rows: &str, ids: &mut Vec<SessionId>) -> Result<(), Failure> {
        self.scan_most(rows, self.page.limit, ids).await
    }

    async fn scan_most(&self, rows: &str, limit: u32, ids: &mut Vec<SessionId>) -> Result<(), Failure> {
        let sql = scan_sql(rows, self.page.order);
        let IdRange { first, last } = self.range;
        // Not a cached statement: its text differs for each lot and vehicle.
        let found = self.transaction.query(&sql, &[&first, &last, &i64::from(limit)]).await?;
        for row in found {
            ids.push(SessionId::from_uuid(row.try_get(0)?));
        }
        Ok(())
    }

    /// Adds the ids of the first open sessions of one lot, or of each lot.
    async fn open(&self, lot: Option<i64>, ids: &mut Vec<SessionId>) -> Result<(), Failure> {
        let IdRange { first, last } = self.range;
        let statement = self.transaction.prepare_cached(&open_sql(self.page.order)).await?;
        for row in self.transaction.query(&statement, &[&first, &last, &i64::from(self.page.limit), &lot]).await? {
            ids.push(SessionId::from_uuid(row.try_get(0)?));
        }
        Ok(())
    }

    async fn lot_number(&self, lot: &LotId) -> Result<Option<i64>, Failure> {
        let statement = self.transaction.prepare_cached("SELECT lot_no FROM lot WHERE lot_id = $1").await?;
        let row = self.transaction.query_opt(&statement, &[&lot.as_str()]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?)
    }

    async fn lots(&self) -> Result<Vec<(i64, LotId)>, Failure> {
        let statement = self.transaction.prepare_cached("SELECT lot_no, lot_id FROM lot").await?;
        let rows = self.transaction.query(&statement, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, encoding::lot_id(row.try_get(1)?)?))).collect()
    }

    /// Finds the first sessions of vehicles through the chains of their events, and those outside of the chains through
    /// an index.
    async fn of_vehicles(&self, vehicles: Vec<(Vehicle, StoredVehicle)>) -> Result<Vec<SessionId>, Failure> {
        let mut ids = Vec::new();
        let mut numbers = Vec::new();
        let mut chained = Vec::new();
        for (vehicle, row) in vehicles {
            if !is_of_lot(self.filter, &vehicle.lot) {
                continue;
            }
            numbers.push(row.number.to_string());
            let chain = vehicles::chain(self.transaction, row.listed_after.or(row.last_event)).await?;
            let given = chain.iter().map(|event| SessionId::of_event(&vehicle, &event.key));
            chained.extend(given.filter(|id| self.range.contains(*id)).map(SessionId::as_uuid));
        }
        if numbers.is_empty() {
            return Ok(ids);
        }
        self.add_chosen(&chained, &mut ids).await?;
        let is_looked_through = is_looked_through(self.filter);
        let states = State::ALL.iter().filter(|state| is_chosen(&self.filter.states, **state));
        let states = states.map(|state| state.code().to_string()).collect::<Vec<_>>().join(", ");
        // Those that the conditions leave out must not take places of the page.
        let limit = if is_looked_through { u32::MAX } else { self.page.limit };
        for number in numbers {
            let rows = format!("listed AND vehicle_no = {number} AND state IN ({states})");
            self.scan_most(&rows, limit, &mut ids).await?;
        }
        if is_looked_through { self.listed(&ids).await } else { Ok(ids) }
    }

    /// Those of some sessions that belong to the list.
    async fn listed(&self, ids: &[SessionId]) -> Result<Vec<SessionId>, Failure> {
        let look = Look::new(self.filter, self.page, self.range, &self.lots().await?);
        let ids: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
        let sql = format!("SELECT {} FROM session WHERE session_id = ANY ($1)", look.columns());
        let rows = self.transaction.query(&sql, &[&ids]).await?;
        let rows = rows.iter().map(candidate).collect::<Result<Vec<_>, _>>()?;
        Ok(rows.iter().filter(|row| look.is_listed(row)).map(|row| row.id).collect())
    }

    /// Adds those ids that belong to a session in one of the chosen states.
    async fn add_chosen(&self, given: &[Uuid], ids: &mut Vec<SessionId>) -> Result<(), Failure> {
        let select = "SELECT session_id, state FROM session WHERE session_id = ANY ($1)";
        let select = self.transaction.prepare_cached(select).await?;
        for row in self.transaction.query(&select, &[&given]).await? {
            if is_chosen(&self.filter.states, State::from_code(row.try_get(1)?)?) {
                ids.push(SessionId::from_uuid(row.try_get(0)?));
            }
        }
        Ok(())
    }
}

/// Reads the columns of a candidate.
fn candidate(row: &Row) -> Result<Candidate, Failure> {
    Ok(Candidate {
        id: SessionId::from_uuid(row.try_get(0)?),
        lot: row.try_get(1)?,
        state: State::from_code(row.try_get(2)?)?,
        reason: row.try_get::<_, Option<i16>>(3)?.map(Reason::from_code).transpose()?,
        origin: Origin::from_code(row.try_get(4)?)?,
        exit: row.try_get::<_, Option<i64>>(5)?.map(Timestamp::from_millis),
        gates: [row.try_get(6)?, row.try_get(7)?],
        plate: row.try_get(8)?,
    })
}

/// Selects columns of the first sessions of each source of a scan, and the number of the source.
pub(super) fn looking_sql(columns: &str, scan: Scan, is_by_lot: bool, order: Order) -> String {
    let order = direction(order);
    let of_lot = if is_by_lot { " AND session.lot_no = wanted.lot_no" } else { "" };
    let rows = match scan {
        Scan::Open => {
            return format!(
                "SELECT {columns}, wanted.place
                FROM unnest($1::bigint[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS wanted (lot_no, first, last, place)
                    CROSS JOIN LATERAL (
                        SELECT session_id FROM open_stay o
                        WHERE o.lot_no = wanted.lot_no AND o.session_id BETWEEN wanted.first AND wanted.last
                        ORDER BY o.session_id {order} LIMIT $4
                    ) AS inside
                    CROSS JOIN LATERAL (
                        SELECT * FROM session WHERE session.session_id = inside.session_id OFFSET 0
                    ) AS session"
            );
        }
        Scan::Standing => "session.state <> 5".to_owned(),
        Scan::Matched => "session.state = 2".to_owned(),
        Scan::Held => "session.held_since_ms IS NOT NULL".to_owned(),
        Scan::Exceptional(state) => format!("session.exceptional AND session.state = {}", state.code()),
    };
    format!(
        "SELECT found.* FROM unnest($1::bigint[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS wanted (lot_no, first, last, place)
            CROSS JOIN LATERAL (
                SELECT {columns}, wanted.place FROM session
                WHERE {rows}{of_lot} AND session.session_id BETWEEN wanted.first AND wanted.last
                ORDER BY session.session_id {order} LIMIT $4
            ) AS found"
    )
}

/// Selects the ids of the first open sessions of each lot, or of one.
pub(super) fn open_sql(order: Order) -> String {
    let order = direction(order);
    format!(
        "SELECT inside.session_id FROM lot l CROSS JOIN LATERAL (
            SELECT session_id FROM open_stay o WHERE o.lot_no = l.lot_no AND session_id BETWEEN $1 AND $2
            ORDER BY session_id {order} LIMIT $3
        ) AS inside WHERE l.lot_no = $4 OR $4 IS NULL"
    )
}

/// Selects the ids of the first sessions among `rows`. The SQL contains only words and numbers of this program.
pub(super) fn scan_sql(rows: &str, order: Order) -> String {
    let order = direction(order);
    format!(
        "SELECT session_id FROM session WHERE {rows} AND session_id BETWEEN $1 AND $2 \
         ORDER BY session_id {order} LIMIT $3"
    )
}
