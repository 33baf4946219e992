//! The list of sessions: filter, order and pages.

use chrono::NaiveDate;
use ledger::{Order, SessionFilter};
use parking::{GateId, LotId, Plate, Reason, State, Timestamp, duration_ms};
use sessions::{Days, LotTimeFilter, MAX_PAGE, Page, PeriodOf, ScopedService, SeenSession, SessionList, StreamRequest};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

use crate::cursor::{Cursor, List};
use crate::parameters::{self, Faults, body_of, flag, gate, lot, optional, plate, quoted, time};
use crate::problem::{Fault, Problem};
use crate::questions::days;

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
        /// Only sessions of plates that begin with these letters and digits, at least two; needs the scope read_plate
        #[param(ignore)]
        pub plate_prefix: Option<Plate> = optional(plate_part);
        /// Only sessions of plates that contain these letters and digits, at least two; needs the scope read_plate
        #[param(ignore)]
        pub plate_contains: Option<Plate> = optional(plate_part);
        /// Only sessions in these states, separated by commas or repeated: open, matched, held_exit, unmatched_exit, unmatched_entry, void; the default is all but void
        #[param(value_type = Option<Vec<String>>, explode = false)]
        pub state: Vec<State> = states;
        /// Only sessions whose anchor event (the entry, or else the exit) is at or after this time: RFC 3339 with an offset
        #[param(value_type = Option<String>, format = DateTime)]
        pub from: Option<Timestamp> = optional(time);
        /// Only sessions whose anchor event is before this time
        #[param(value_type = Option<String>, format = DateTime)]
        pub to: Option<Timestamp> = optional(time);
        /// Only sessions that are unmatched for this reason: re_entered, max_stay or unread
        #[param(value_type = Option<String>)]
        pub reason: Option<Reason> = optional(reason);
        /// Only sessions with an entry or an exit at this gate
        #[param(value_type = Option<String>)]
        pub gate_id: Option<GateId> = optional(gate);
        /// Only sessions whose anchor event is at least this long before the newest event of their lot: a duration such as 90m or 12h
        #[param(value_type = Option<String>)]
        pub min_age: Option<i64> = optional(age);
        /// true: only vehicles inside that doubtful of their lot counts
        #[param(value_type = Option<bool>)]
        pub doubtful: bool = flag;
        /// true: only vehicles inside for longer than their lot permits
        #[param(value_type = Option<bool>)]
        pub overstay: bool = flag;
        /// true: only sessions with an exit in the lot's last 24 clock hours, which matched_last_day and unmatched_last_day of their lot count
        #[param(value_type = Option<bool>)]
        pub last_day: bool = flag;
        /// Only sessions of these days of each lot's own time: today (the day of its newest event), yesterday, 7d or 28d
        #[param(value_type = Option<String>)]
        pub period: Option<Days> = optional(days::period);
        /// Only sessions from this day on, in the time zone of each lot: a date such as 2024-09-24
        #[param(value_type = Option<String>, format = Date)]
        pub from_date: Option<NaiveDate> = optional(days::date);
        /// Only sessions up to this day, which is included; of the two dates, one alone is a single day
        #[param(value_type = Option<String>, format = Date)]
        pub to_date: Option<NaiveDate> = optional(days::date);
        /// What has to be in the period of days: entries or exits, as statistics count them; the default is the anchor event, of saved summaries too
        #[param(value_type = Option<String>)]
        pub period_of: Option<PeriodOf> = optional(days::period_of);
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
        /// The columns of CSV: session (the default, those of a session file) or list (also gates, stay, permitted stay and marks, as the page shows them)
        #[param(value_type = Option<String>)]
        pub columns: Option<Columns> = optional(columns);
    }
}

/// The columns of CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Columns {
    /// Those of a session file.
    #[default]
    Session,
    /// Also what the list of the page shows.
    List,
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
    let StreamRequest { filter, order, after, most } = parameters.stream_request(service).await?;
    // One more than the page shows whether there is a next page.
    let limit = most.unwrap_or(LIMIT_DEFAULT);
    let list = service.sessions(&filter, Page { limit: limit + 1, after, order }).await?;
    let SessionList { mut rows, sequence, resume_after } = list;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let goes_on = rows.len() > limit;
    rows.truncate(limit);
    let shown = rows.last().filter(|_| goes_on).map(|row| row.id);
    let next_cursor = shown.or(resume_after).map(|id| parameters.list().after(id.as_bytes()));
    Ok(ListPage { rows, next_cursor, sequence })
}

impl SessionListParameters {
    /// The request to the service. What depends on the time of a lot is as of now.
    ///
    /// # Errors
    /// `to` is before `from`, the cursor belongs to another list, the client may not filter by plate, or the ledger can't
    /// be read.
    pub async fn stream_request(&self, service: &ScopedService) -> Result<StreamRequest, Problem> {
        let request = self.checked()?;
        let by = LotTimeFilter {
            min_age_ms: self.min_age,
            is_doubtful: self.doubtful,
            is_overstay: self.overstay,
            is_of_last_day: self.last_day,
            days: self.days(&mut Faults::default()).map(|days| (days, self.period_of)),
        };
        Ok(StreamRequest { filter: service.narrowed(request.filter, by).await?, ..request })
    }

    /// The period of days that is asked for.
    pub fn days(&self, faults: &mut Faults) -> Option<Days> {
        days::chosen(self.period, self.from_date, self.to_date, faults)
    }

    fn checked(&self) -> Result<StreamRequest, Problem> {
        let mut faults = Faults::default();
        if let (Some(from), Some(to)) = (self.from, self.to)
            && to < from
        {
            faults.check::<()>(Err(Fault::parameter("to", format!("{to} is before from {from}"))));
        }
        for (name, part) in [("plate_prefix", &self.plate_prefix), ("plate_contains", &self.plate_contains)] {
            if self.vehicle_plate.is_some() && part.is_some() {
                faults.check::<()>(Err(Fault::parameter(name, "is not possible together with vehicle_plate")));
            }
        }
        if self.days(&mut faults).is_none() && self.period_of.is_some() {
            let missing = "needs a period, or from_date and to_date";
            faults.check::<()>(Err(Fault::parameter("period_of", missing)));
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
            plate_prefix: self.plate_prefix.clone(),
            plate_part: self.plate_contains.clone(),
            reason: self.reason,
            gate: self.gate_id.clone(),
            source: None,
            windows: None,
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

    /// The identity of this list, for cursors. A plate is left out: its hash could be looked up.
    fn list(&self) -> List {
        let yes = |is_set: bool| if is_set { "yes" } else { "" };
        let states: Vec<&str> = self.state.iter().map(|state| state.as_str()).collect();
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        List::of(&[
            "sessions",
            self.lot_id.as_ref().map_or("", LotId::as_str),
            &states.join(","),
            &time(self.from),
            &time(self.to),
            self.reason.map_or("", Reason::as_str),
            self.gate_id.as_ref().map_or("", GateId::as_str),
            &self.min_age.map(|age| age.to_string()).unwrap_or_default(),
            yes(self.doubtful),
            yes(self.overstay),
            yes(self.last_day),
            &self.days(&mut Faults::default()).map(|days| format!("{days:?}")).unwrap_or_default(),
            match self.period_of {
                None => "",
                Some(PeriodOf::Entries) => "entries",
                Some(PeriodOf::Exits) => "exits",
            },
            match self.order.unwrap_or_default() {
                Order::NewestFirst => "newest",
                Order::OldestFirst => "oldest",
            },
        ])
    }
}

/// The body of a search: the parameters of the list, and parts of plates.
#[derive(Debug, Clone, Copy)]
pub struct SessionSearch;

impl PartialSchema for SessionSearch {
    fn schema() -> RefOr<Schema> {
        let part = |which: &str| {
            ObjectBuilder::new().schema_type(Type::String).description(Some(format!(
                "Only sessions of plates that {which} these letters and digits, at least two; needs the scope read_plate"
            )))
        };
        let search = body_of(SessionListParameters::into_params(|| None));
        search.property("plate_prefix", part("begin with")).property("plate_contains", part("contain")).into()
    }
}

impl ToSchema for SessionSearch {}

/// Parses the reason why a session is unmatched.
pub fn reason(text: &str) -> Result<Reason, String> {
    text.parse().map_err(|allowed| format!("{} is not a reason; {allowed}", quoted(text)))
}

/// Parses an age.
pub fn age(text: &str) -> Result<i64, String> {
    duration_ms(text).ok_or_else(|| format!("{} is not a duration such as 90m or 12h", quoted(text)))
}

/// Parses a part of a plate. The error does not contain it.
pub fn plate_part(text: &str) -> Result<Plate, String> {
    let part = plate(text)?;
    if part.as_str().chars().count() < 2 { Err("has fewer than two letters and digits".to_owned()) } else { Ok(part) }
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

fn columns(text: &str) -> Result<Columns, String> {
    match text {
        "session" => Ok(Columns::Session),
        "list" => Ok(Columns::List),
        _ => Err(format!("{} is neither session nor list", quoted(text))),
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
        SessionListParameters::read(&uri)?.checked()
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
            ..SessionFilter::default()
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
            ("reason=bored", 422, "allowed are re_entered max_stay unread"),
            ("gate_id=a/b", 422, "gate_id \"a/b\""),
            ("min_age=12", 422, "min_age \"12\" is not a duration such as 90m or 12h"),
            ("overstay=1", 422, "overstay \"1\" is neither true nor false"),
        ] {
            let problem = request(query).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{query}");
            assert!(problem.detail().contains(part), "{query}: {}", problem.detail());
        }
        assert!(!request("vehicle_plate=SECRETPLATE1234567890").unwrap_err().detail().contains("SECRET"));
    }

    #[test]
    fn a_body_has_the_parameters_of_the_list_and_parts_of_plates() {
        let read = |body: &str| SessionListParameters::read_object(body.as_bytes())?.checked();
        let body =
            r#"{"plate_prefix": "ab-c", "state": ["open", "matched"], "overstay": true, "limit": 5, "lot_id": null}"#;
        let filter = SessionFilter {
            plate_prefix: Plate::from_read("ABC").ok(),
            states: vec![State::Open, State::Matched],
            ..SessionFilter::default()
        };
        let expected = StreamRequest { filter, order: Order::NewestFirst, most: Some(5), after: None };
        assert_eq!(read(body), Ok(expected));
        for (body, status, part, pointer) in [
            ("[]", 400, "the body is not a JSON object", None),
            (r#"{"lot": "P3"}"#, 422, "unknown member \"lot\"; expected one of: lot_id, ", Some("/lot")),
            (r#"{"lot_id": {}}"#, 422, "lot_id is neither a text", Some("/lot_id")),
            (r#"{"lot_id": ["A", "B"]}"#, 422, "lot_id is repeated", Some("/lot_id")),
            (r#"{"plate_prefix": "S"}"#, 422, "fewer than two", Some("/plate_prefix")),
            (r#"{"plate_prefix": "SE", "vehicle_plate": "SECRET"}"#, 422, "together", Some("/plate_prefix")),
            (r#"{"plate_contains": "SE", "vehicle_plate": "SECRET"}"#, 422, "together", Some("/plate_contains")),
        ] {
            let problem = read(body).map_err(Problem::in_body).unwrap_err();
            assert_eq!(problem.status().as_u16(), status, "{body}");
            assert!(problem.detail().contains(part), "{body}: {}", problem.detail());
            assert_eq!(problem.faults().first().and_then(|fault| fault.pointer.as_deref()), pointer, "{body}");
        }
    }

    #[test]
    fn a_cursor_holds_no_plate() {
        let with =
            |plate: &str| SessionListParameters { vehicle_plate: Plate::named(plate).ok(), ..Default::default() };
        assert_eq!(with("SECRET1").list(), with("SECRET2").list());
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
