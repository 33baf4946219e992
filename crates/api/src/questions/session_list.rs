//! The list of sessions: filter, order and pages.

use ledger::{Order, SessionFilter};
use parking::{LotId, Plate, State, Timestamp};
use sessions::{MAX_PAGE, Page, ScopedService, SeenSession, SessionList, StreamRequest};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::cursor::{Cursor, List};
use crate::parameters::{self, Faults, lot, optional, plate, quoted, time};
use crate::problem::{Fault, Problem};

/// The default number of sessions of a page.
const LIMIT_DEFAULT: u32 = 100;

crate::parameters! {
    /// The parameters of the list of sessions: filter, order and page.
    #[derive(Debug, Clone, Default, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    #[expect(clippy::doc_markdown, reason = "the text is the description of the route, where names stand bare")]
    pub struct SessionListParameters {
        /// Only sessions of this lot
        #[param(value_type = Option<String>)]
        pub lot_id: Option<LotId> = optional(lot);
        /// Only sessions of this plate, in any spelling; needs the scope read_plate
        #[param(value_type = Option<String>)]
        pub vehicle_plate: Option<Plate> = optional(plate);
        /// Only sessions in these states, separated by commas or repeated: open, matched, held_exit, unmatched_exit, unmatched_entry, void; the default is all but void
        #[param(value_type = Option<Vec<String>>, explode = false)]
        pub state: Vec<State> = states;
        /// Only sessions whose anchor event (the entry, or else the exit) is at or after this time: RFC 3339 with an offset
        #[param(value_type = Option<String>, format = DateTime)]
        pub from: Option<Timestamp> = optional(time);
        /// Only sessions whose anchor event is before this time
        #[param(value_type = Option<String>, format = DateTime)]
        pub to: Option<Timestamp> = optional(time);
        /// The maximum number of sessions of a page, at most 1000; the default is 100. A stream has no maximum; its default is all
        #[param(minimum = 1, maximum = 1000)]
        pub limit: Option<u32> = optional(limit);
        /// The next_cursor of the previous page; the other parameters have to be unchanged
        #[param(value_type = Option<String>)]
        pub cursor: Option<Cursor> = optional(Cursor::parse);
        /// The sessions that come first: newest (the default) or oldest
        #[param(value_type = Option<String>)]
        pub order: Option<Order> = optional(order);
        /// Answer only with a list that includes the change with this number (the sequence of an earlier answer); it waits for up to two seconds
        #[param(value_type = Option<u64>, minimum = 1)]
        pub min_sequence: Option<u64> = optional(sequence);
        /// The format: json (a page), csv or ndjson (a stream); the default is that of the header Accept
        #[param(value_type = Option<String>)]
        pub format: Option<Format> = optional(format);
    }
}

/// The format of a list of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A page as JSON.
    Json,
    /// A stream of CSV rows.
    Csv,
    /// A stream of JSON objects, one a line.
    Ndjson,
}

/// A page of sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// The sessions, in the requested order.
    pub rows: Vec<SeenSession>,
    /// The cursor of the next page, if there is one.
    pub next_cursor: Option<String>,
    /// The number of the newest change that the page includes.
    pub sequence: u64,
}

/// Reads a page of sessions.
pub async fn page(service: &ScopedService, parameters: &SessionListParameters) -> Result<ListPage, Problem> {
    parameters.wait(service).await?;
    let StreamRequest { filter, order, after, most } = parameters.stream_request()?;
    // One more than the page shows whether there is a next page.
    let limit = most.unwrap_or(LIMIT_DEFAULT);
    let SessionList { mut rows, sequence } = service.sessions(&filter, Page { limit: limit + 1, after, order }).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().filter(|_| goes_on);
    let next_cursor = last.map(|row| parameters.cursor_after(row));
    Ok(ListPage { rows, next_cursor, sequence })
}

impl SessionListParameters {
    /// The request to the service.
    ///
    /// # Errors
    /// `to` is before `from`, or the cursor belongs to another list.
    pub fn stream_request(&self) -> Result<StreamRequest, Problem> {
        let mut faults = Faults::default();
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to < from
        {
            faults.check::<()>(Err(Fault::parameter("to", format!("{to} is before from {from}"))));
        }
        let list = self.list();
        let after = faults.optional("cursor", self.cursor.as_ref(), |cursor| session_id(list, cursor));
        faults.none()?;
        let filter = SessionFilter {
            lot: self.lot_id.clone(),
            plate: self.vehicle_plate.clone(),
            states: self.state.clone(),
            from: self.from,
            to: self.to,
        };
        Ok(StreamRequest { filter, order: self.order.unwrap_or_default(), after, most: self.limit })
    }

    /// Waits until a list includes the change that the parameters ask for.
    ///
    /// # Errors
    /// The ledger has no such change, or can't show it in time.
    pub async fn wait(&self, service: &ScopedService) -> Result<(), Problem> {
        let Some(sequence) = self.min_sequence else { return Ok(()) };
        let newest = service.last_change().await?;
        let mut faults = Faults::default();
        if newest < sequence {
            let problem = format!("{sequence} is greater than the number of the newest change, {newest}");
            faults.check::<()>(Err(Fault::parameter("min_sequence", problem)));
        }
        faults.none()
    }

    /// The cursor of the page that begins after a session.
    pub fn cursor_after(&self, session: &SeenSession) -> String {
        self.list().after(session.id.as_bytes())
    }

    /// The identity of this list, for cursors.
    fn list(&self) -> List {
        let states: Vec<&str> = self.state.iter().map(|state| state.as_str()).collect();
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        List::of(&[
            "sessions",
            self.lot_id.as_ref().map_or("", LotId::as_str),
            self.vehicle_plate.as_ref().map_or("", Plate::as_str),
            &states.join(","),
            &time(self.from),
            &time(self.to),
            match self.order.unwrap_or_default() {
                Order::NewestFirst => "newest",
                Order::OldestFirst => "oldest",
            },
        ])
    }
}

/// Parses an order.
pub fn order(text: &str) -> Result<Order, String> {
    match text {
        "newest" => Ok(Order::NewestFirst),
        "oldest" => Ok(Order::OldestFirst),
        _ => Err(format!("{} is neither newest nor oldest", quoted(text))),
    }
}

/// Parses the states in all values; returns them sorted and without duplicates.
pub fn states(values: &[&str]) -> Result<Vec<State>, String> {
    let words = values.iter().flat_map(|value| value.split(','));
    let mut states = words
        .map(|word| {
            let state: Result<State, _> = word.trim().parse();
            state.map_err(|allowed| format!("{} is not a state; {allowed}", quoted(word)))
        })
        .collect::<Result<Vec<_>, _>>()?;
    states.sort_unstable();
    states.dedup();
    Ok(states)
}

/// Parses the limit of a page or a stream. Only the caller knows which of them it is, so this allows that of a stream.
fn limit(text: &str) -> Result<u32, String> {
    parameters::limit(u32::MAX)(text).map_err(|_| {
        format!("{} is not a whole number from 1 to {MAX_PAGE}, or to {} for a stream", quoted(text), u32::MAX)
    })
}

fn sequence(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("{} is not a whole number from 1", quoted(text)))
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "json" => Ok(Format::Json),
        "csv" => Ok(Format::Csv),
        "ndjson" => Ok(Format::Ndjson),
        _ => Err(format!("{} is not json, csv or ndjson", quoted(text))),
    }
}

fn session_id(list: List, cursor: &Cursor) -> Result<Uuid, String> {
    let id = Uuid::from_slice(list.key(cursor)?);
    id.map_err(|_| "is not a next_cursor of this list; begin without one".to_owned())
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use ledger::testing::minute;

    use super::*;
    use crate::parameters::Parameters as _;

    fn request(query: &str) -> Result<StreamRequest, Problem> {
        let uri: Uri = format!("/api/v1/sessions?{query}").parse().unwrap();
        SessionListParameters::read(&uri)?.stream_request()
    }

    #[test]
    fn parameters_become_a_filter_and_a_page() {
        let request = request("lot_id=P3&vehicle_plate=abc-123&state=void,open&state=open&from=2024-09-24T11:00:00%2B02:00&to=2024-09-24T10:00:00Z&limit=7&order=oldest").unwrap();
        let filter = SessionFilter {
            lot: LotId::parse("P3").ok(),
            plate: Plate::from_read("ABC123").ok(),
            states: vec![State::Open, State::Void],
            from: Some(minute(0)),
            to: Some(minute(60)),
        };
        assert_eq!(request, StreamRequest { filter, order: Order::OldestFirst, most: Some(7), after: None });
    }

    #[test]
    fn without_parameters_the_newest_come() {
        let expected =
            StreamRequest { filter: SessionFilter::default(), order: Order::NewestFirst, most: None, after: None };
        assert_eq!(request(""), Ok(expected));
    }

    #[test]
    fn an_error_names_the_wrong_parameter_and_never_the_plate() {
        for (query, status, part) in [
            ("lot=P3", 400, "unknown query parameter \"lot\"; expected one of: lot_id, "),
            ("lot_id=a%20b", 422, "lot_id \"a b\""),
            ("lot_id=P3&lot_id=P4", 422, "lot_id is repeated"),
            ("vehicle_plate=", 422, "vehicle_plate has no letter and no digit"),
            ("vehicle_plate=%3F%3F", 422, "vehicle_plate has no letter and no digit"),
            ("state=closed", 422, "allowed are open matched"),
            ("state=", 422, "state \"\" is not a state"),
            ("from=2024-09-24T11:00:00+02:00", 422, "%2B"),
            ("to=today", 422, "to \"today\""),
            ("from=2024-09-24T11:00:00Z&to=2024-09-24T10:00:00Z", 422, "is before from"),
            ("limit=0", 422, "from 1 to 1000"),
            ("limit=-1", 422, "from 1 to 1000"),
            ("limit=9223372036854775808", 422, "from 1 to 1000"),
            ("cursor=xyz", 422, "cursor is not a next_cursor"),
            ("order=up", 422, "neither newest nor oldest"),
        ] {
            let problem = request(query).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{query}");
            assert!(problem.detail().contains(part), "{query}: {}", problem.detail());
        }
        assert!(!request("vehicle_plate=SECRETPLATE1234567890").unwrap_err().detail().contains("SECRET"));
    }

    #[test]
    fn a_cursor_is_bound_to_filter_and_order_but_not_to_the_page_size() {
        let first = SessionListParameters { lot_id: LotId::parse("P3").ok(), ..SessionListParameters::default() };
        let cursor = first.list().after(Uuid::from_u128(7).as_bytes());
        let with = |query: &str| request(&format!("{query}&cursor={cursor}"));

        assert_eq!(with("lot_id=P3&limit=50").unwrap().after, Some(Uuid::from_u128(7)));
        assert!(
            with("lot_id=P4").is_err()
                && with("lot_id=P3&order=oldest").is_err()
                && with("lot_id=P3&state=open").is_err()
        );
    }
}
