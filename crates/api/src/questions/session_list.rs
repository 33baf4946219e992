//! The list of sessions: which of them, in which order, and a page of them.

use ledger::{Order, Page, SessionFilter, SessionRow};
use parking::{LotId, Plate, SessionId, State};
use sessions::Service;
use uuid::Uuid;

use crate::cursor::List;
use crate::parameters::{self, Faults, Query, quoted};
use crate::problem::{Fault, Problem};

/// The parameters of the list.
pub const PARAMETERS: [&str; 9] =
    ["lot_id", "vehicle_plate", "state", "from", "to", "limit", "cursor", "order", "format"];
/// The sessions of a page when nobody says how many.
const LIMIT: u32 = 100;

/// The sessions that are asked for, and the cursor of the next page, if there is one.
pub async fn page(service: &Service, asked: &Asked) -> Result<(Vec<SessionRow>, Option<String>), Problem> {
    // One more than the page tells whether the list goes on.
    let limit = asked.limit.unwrap_or(LIMIT);
    let page = Page { limit: limit + 1, after: asked.after, order: asked.order };
    let mut rows = service.sessions(&asked.filter, page).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| goes_on);
    let next_cursor = last.map(|row| asked.list.after(row.session.id.as_uuid().as_bytes()));
    Ok((rows, next_cursor))
}

/// What a request for a page asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Asked {
    /// Which sessions.
    pub filter: SessionFilter,
    /// In which order.
    pub order: Order,
    /// The most of a page, when that is said.
    pub limit: Option<u32>,
    /// Behind this session.
    pub after: Option<SessionId>,
    /// The list that cursors belong to.
    pub list: List,
}

impl Asked {
    /// Reads the parameters of a list; a page has at most so many sessions.
    pub fn read(query: &Query, most: u32) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let filter = SessionFilter {
            lot: faults.check(query.one("lot_id", parameters::lot)).flatten(),
            plate: faults.check(query.one("vehicle_plate", |text| Plate::named(text).map_err(str::to_owned))).flatten(),
            states: faults.check(states(query)).unwrap_or_default(),
            from: faults.check(query.one("from", parameters::time)).flatten(),
            to: faults.check(query.one("to", parameters::time)).flatten(),
        };
        if let (Some(from), Some(to)) = (filter.from, filter.to)
            && to < from
        {
            faults.check::<()>(Err(Fault::parameter("to", format!("{to} is before from {from}"))));
        }
        let order = faults.check(query.one("order", order)).flatten().unwrap_or_default();
        let limit = faults.check(query.one("limit", |text| parameters::limit(text, most))).flatten();
        let list = list(&filter, order);
        let after = faults.check(query.one("cursor", |text| after(list, text))).flatten();
        faults.none()?;
        Ok(Self { filter, order, limit, after, list })
    }
}

fn order(text: &str) -> Result<Order, String> {
    match text {
        "newest" => Ok(Order::NewestFirst),
        "oldest" => Ok(Order::OldestFirst),
        _ => Err(format!("{} is neither newest nor oldest", quoted(text))),
    }
}

/// The states of all `state` parameters, sorted, each once.
fn states(query: &Query) -> Result<Vec<State>, Fault> {
    let words = query.all("state").flat_map(|value| value.split(','));
    let mut states = words
        .map(|word| {
            let state: Result<State, _> = word.trim().parse();
            state.map_err(|allowed| Fault::parameter("state", format!("{} is no state; {allowed}", quoted(word))))
        })
        .collect::<Result<Vec<_>, _>>()?;
    states.sort_unstable();
    states.dedup();
    Ok(states)
}

fn after(list: List, cursor: &str) -> Result<SessionId, String> {
    let key = list.key(cursor)?;
    let id = Uuid::from_slice(&key).map_err(|_| "is not a next_cursor of this list; begin without one".to_owned())?;
    Ok(SessionId::from_uuid(id))
}

fn list(filter: &SessionFilter, order: Order) -> List {
    let SessionFilter { lot, plate, states, from, to } = filter;
    let states: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    let time = |time: &Option<parking::Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    List::of(&[
        "sessions",
        lot.as_ref().map_or("", LotId::as_str),
        plate.as_ref().map_or("", Plate::as_str),
        &states.join(","),
        &time(from),
        &time(to),
        match order {
            Order::NewestFirst => "newest",
            Order::OldestFirst => "oldest",
        },
    ])
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use ledger::testing::minute;
    use sessions::MAX_PAGE;

    use super::*;

    fn asked(query: &str) -> Result<Asked, Problem> {
        let uri: Uri = format!("/api/v1/sessions?{query}").parse().unwrap();
        Asked::read(&Query::read(&uri, &PARAMETERS)?, MAX_PAGE)
    }

    #[test]
    fn parameters_become_a_filter_and_a_page() {
        let asked = asked("lot_id=P3&vehicle_plate=abc-123&state=void,open&state=open&from=2024-09-24T11:00:00%2B02:00&to=2024-09-24T10:00:00Z&limit=7&order=oldest").unwrap();
        let filter = SessionFilter {
            lot: LotId::parse("P3").ok(),
            plate: Plate::from_read("ABC123").ok(),
            states: vec![State::Open, State::Void],
            from: Some(minute(0)),
            to: Some(minute(60)),
        };
        let list = list(&filter, Order::OldestFirst);
        assert_eq!(asked, Asked { filter, order: Order::OldestFirst, limit: Some(7), after: None, list });
    }

    #[test]
    fn without_parameters_the_newest_come() {
        let asked = asked("").unwrap();
        assert_eq!((asked.filter, asked.order, asked.limit), (SessionFilter::default(), Order::NewestFirst, None));
    }

    #[test]
    fn a_wrong_parameter_is_named_and_a_plate_is_not_told_back() {
        for (query, status, part) in [
            ("lot=P3", 400, "\"lot\" is no parameter"),
            ("lot_id=a%20b", 422, "lot_id \"a b\""),
            ("lot_id=P3&lot_id=P4", 422, "lot_id is there twice"),
            ("vehicle_plate=", 422, "vehicle_plate has no letter and no digit"),
            ("vehicle_plate=%3F%3F", 422, "vehicle_plate has no letter and no digit"),
            ("state=closed", 422, "allowed are open matched"),
            ("state=", 422, "state \"\" is no state"),
            ("from=2024-09-24T11:00:00+02:00", 422, "%2B"),
            ("to=today", 422, "to \"today\""),
            ("from=2024-09-24T11:00:00Z&to=2024-09-24T10:00:00Z", 422, "is before from"),
            ("limit=0", 422, "from 1 to 1000"),
            ("limit=1001", 422, "from 1 to 1000"),
            ("limit=-1", 422, "from 1 to 1000"),
            ("limit=9223372036854775808", 422, "from 1 to 1000"),
            ("cursor=xyz", 422, "cursor is not a next_cursor"),
            ("order=up", 422, "neither newest nor oldest"),
        ] {
            let problem = asked(query).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{query}");
            assert!(problem.detail().contains(part), "{query}: {}", problem.detail());
        }
        assert!(!asked("vehicle_plate=SECRETPLATE1234567890").unwrap_err().detail().contains("SECRET"));
    }

    #[test]
    fn a_cursor_is_bound_to_filter_and_order_but_not_to_the_page_size() {
        let first = asked("lot_id=P3&limit=5").unwrap();
        let cursor = first.list.after(Uuid::from_u128(7).as_bytes());
        let with = |query: &str| asked(&format!("{query}&cursor={cursor}"));

        assert_eq!(with("lot_id=P3&limit=50").unwrap().after, Some(SessionId::from_uuid(Uuid::from_u128(7))));
        assert!(
            with("lot_id=P4").is_err()
                && with("lot_id=P3&order=oldest").is_err()
                && with("lot_id=P3&state=open").is_err()
        );
    }
}
