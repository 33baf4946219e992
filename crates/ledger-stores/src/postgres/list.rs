//! Reads pages of sessions.

use deadpool_postgres::Transaction;
use parking::{LotId, SessionId, State};
use tokio_postgres::IsolationLevel;
use uuid::Uuid;

use super::failure::Failure;
use super::store::Store;
use super::{changes, read, vehicles};
use crate::encoding::Code as _;
use crate::list::{IdRange, Scan, direction, is_chosen, is_of_lot, merge, scans};
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
        return Ok(SessionList { rows: Vec::new(), sequence });
    };
    let search = Search { transaction: &transaction, filter, page, range };
    let ids = match &filter.plate {
        Some(plate) => search.of_plate(plate.as_str()).await?,
        None => search.of_all().await?,
    };
    let ids = merge(ids, page);
    let mut rows = read::rows(&transaction, &ids).await?;
    transaction.commit().await?;
    client.end_well();
    Ok(SessionList { rows: ids.iter().filter_map(|id| rows.remove(id)).collect(), sequence })
}

/// Searches for the ids of one page.
struct Search<'a> {
    transaction: &'a Transaction<'a>,
    filter: &'a SessionFilter,
    page: &'a Page,
    range: IdRange,
}

impl Search<'_> {
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
        let sql = scan_sql(rows, self.page.order);
        let IdRange { first, last } = self.range;
        // Not a cached statement: its text differs for each lot and vehicle.
        let found = self.transaction.query(&sql, &[&first, &last, &i64::from(self.page.limit)]).await?;
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

    /// Finds the first sessions of a vehicle through the chain of its events, and those outside of the chain through an
    /// index.
    async fn of_plate(&self, plate: &str) -> Result<Vec<SessionId>, Failure> {
        let select = concat!(
            "SELECT ",
            vehicles::columns!(),
            " FROM vehicle v JOIN lot l ON l.lot_no = v.lot_no WHERE v.plate = $1"
        );
        let rows = self.transaction.query(&self.transaction.prepare_cached(select).await?, &[&plate]).await?;
        let mut ids = Vec::new();
        let mut numbers = Vec::new();
        let mut chained = Vec::new();
        for row in rows {
            let (vehicle, row) = vehicles::named_vehicle(&row)?;
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
        let states = State::ALL.iter().filter(|state| is_chosen(&self.filter.states, **state));
        let states: Vec<_> = states.map(|state| state.code().to_string()).collect();
        for number in numbers {
            let rows = format!("listed AND vehicle_no = {number} AND state IN ({})", states.join(", "));
            self.scan(&rows, &mut ids).await?;
        }
        Ok(ids)
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
