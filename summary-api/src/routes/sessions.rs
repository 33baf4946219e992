//! `GET /api/v1/sessions`, a list in pages, and `GET /api/v1/sessions/{id}`, one session.

use axum::Json;
use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse as _, Response};
use ledger::{Order, Page, SessionFilter, SessionRow};
use parking::{LotId, Plate, SessionId, State as SessionState};
use sessions::{MAX_PAGE, Service, Wanted};
use uuid::Uuid;

use super::cursor::List;
use super::path_id;
use super::query::{self, Faults, Query, quoted};
use super::session_stream::{self, Format};
use super::views::{SessionPage, SessionView};
use crate::problem::{Fault, Kind, Problem};

/// The parameters of the list.
const PARAMETERS: [&str; 9] = ["lot_id", "vehicle_plate", "state", "from", "to", "limit", "cursor", "order", "format"];
/// The sessions of a page when nobody says how many.
const LIMIT: u32 = 100;

/// Lists sessions, the newest first unless told otherwise. Void ones are left out unless their state is asked for.
///
/// As JSON in pages; as CSV or JSON lines all that match in one answer. One that breaks off (a chunked body without its
/// end) is not whole.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions",
    params(
        ("lot_id" = Option<String>, Query, description = "Of this lot only"),
        ("vehicle_plate" = Option<String>, Query, description = "Of this plate only, in any spelling"),
        ("state" = Option<Vec<String>>, Query, explode = false,
            description = "In one of these states, separated by commas or repeated: open, matched, held_exit, \
                           unmatched_exit, unmatched_entry, void; without it, all but void"),
        ("from" = Option<String>, Query, format = DateTime,
            description = "Given by an event (its entry, or else its exit) of this time or later: RFC 3339 with an offset"),
        ("to" = Option<String>, Query, format = DateTime, description = "Given by an event before this time"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "The most sessions of a page; 100 without it. Of a stream: as many as wanted; all without it"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before, with the same other parameters"),
        ("order" = Option<String>, Query, description = "newest (without it) or oldest: which sessions come first"),
        ("format" = Option<String>, Query, description = "json (a page), csv or ndjson (a stream); without it, the header Accept says it"),
        ("Accept" = Option<String>, Header, description = "application/json, text/csv or application/x-ndjson; the first that is known"),
    ),
    responses((status = 200, description = "A page of sessions, or all of them line by line", content(
        (SessionPage = "application/json"),
        (String = "text/csv"),
        (String = "application/x-ndjson"),
    ))),
)]
pub(super) async fn sessions(
    State(service): State<Service>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::read(&uri, &PARAMETERS)?;
    let format = Format::asked(&query, &headers);
    let most = if let Ok(Format::Lines(_)) = format { u32::MAX } else { MAX_PAGE };
    let asked = Asked::read(&query, most)?;
    let format = format.map_err(|fault| Problem::with_faults(Kind::InvalidContent, vec![fault]))?;
    if let Format::Lines(lines) = format {
        let Asked { filter, order, limit, after, .. } = asked;
        return session_stream::answer(&service, Wanted { filter, order, after, most: limit }, lines).await;
    }
    let (rows, next_cursor) = page(&service, &asked).await?;
    let page = SessionPage { sessions: rows.iter().map(SessionView::from).collect(), next_cursor };
    Ok(([(header::VARY, "accept")], Json(page)).into_response())
}

/// The sessions that are asked for, and the cursor of the next page, if there is one.
pub(crate) async fn page(service: &Service, asked: &Asked) -> Result<(Vec<SessionRow>, Option<String>), Problem> {
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

/// One session, void or not.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions",
    params(("id" = Uuid, Path, description = "The session's id")),
    responses((status = 200, description = "The session", body = SessionView)),
)]
pub(super) async fn session(State(service): State<Service>, path: RawPathParams) -> Result<Json<SessionView>, Problem> {
    let id = path_id(&path)?;
    match service.session(SessionId::from_uuid(id)).await? {
        Some(row) => Ok(Json(SessionView::from(&row))),
        None => Err(Problem::new(Kind::NotFound, format!("no session has the id {id}"))),
    }
}

/// What a request for a page asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) filter: SessionFilter,
    pub(super) order: Order,
    pub(super) limit: Option<u32>,
    pub(crate) after: Option<SessionId>,
    pub(super) list: List,
}

impl Asked {
    /// Reads the parameters of a list; a page has at most so many sessions.
    pub(crate) fn read(query: &Query, most: u32) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let filter = SessionFilter {
            lot: faults.check(query.one("lot_id", query::lot)).flatten(),
            plate: faults.check(query.one("vehicle_plate", |text| Plate::named(text).map_err(str::to_owned))).flatten(),
            states: faults.check(states(query)).unwrap_or_default(),
            from: faults.check(query.one("from", query::time)).flatten(),
            to: faults.check(query.one("to", query::time)).flatten(),
        };
        if let (Some(from), Some(to)) = (filter.from, filter.to)
            && to < from
        {
            faults.check::<()>(Err(Fault::parameter("to", format!("{to} is before from {from}"))));
        }
        let order = faults.check(query.one("order", order)).flatten().unwrap_or_default();
        let limit = faults.check(query.one("limit", |text| query::limit(text, most))).flatten();
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
fn states(query: &Query) -> Result<Vec<SessionState>, Fault> {
    let words = query.all("state").flat_map(|value| value.split(','));
    let mut states = words
        .map(|word| {
            let state: Result<SessionState, _> = word.trim().parse();
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
    use sessions::testing::minute;

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
            states: vec![SessionState::Open, SessionState::Void],
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
