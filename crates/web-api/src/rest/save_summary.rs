//! `POST /save_summary`: saves a stay with its entry and exit times.
//!
//! Known members are checked strictly, unknown members are ignored. The correlator records gate events through
//! `/internal/v1`.

use api::parameters::{Faults, quoted};
use api::{Fault, Kind, Problem, Saved, Scoped, SessionView, SummaryBody};
use axum::Json;
use axum::extract::Request;
use ledger::Summary;
use parking::wire::without_byte_order_mark;
use parking::{AHEAD_MAX_MS, LotId, Plate, Timestamp, Vehicle};
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::body::{self, caller};

/// The largest body, bytes.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;
/// The message of the response, which clients may compare.
const MESSAGE: &str = "Summary saved successfully";

/// Saves a stay with its entry and exit times. A repeated body is one session.
///
/// A request with the header `traceparent` (W3C Trace Context) belongs to that trace; the log line contains its id.
#[utoipa::path(
    post, path = "/save_summary", tag = "sessions", request_body = SummaryBody,
    responses((status = 200, description = "The summary is saved, by this request or an earlier one", body = Saved)),
)]
pub(super) async fn save_summary(Scoped(service): Scoped, request: Request) -> Result<Json<Saved>, Problem> {
    let (head, request_body) = request.into_parts();
    let media_type = body::media_type(&head.headers);
    if !body::is_json(&media_type) {
        let described = body::described(&media_type);
        return Err(Problem::new(
            Kind::UnsupportedMediaType,
            format!("{described}, but the body has to be JSON: send the header Content-Type: application/json"),
        ));
    }
    let json = body::read(&head.headers, request_body, BODY_BYTES_MAX).await?;
    let saved = service.save_summary(parse(&json, service.now())?, caller(&head.headers)).await?;
    Ok(Json(Saved {
        message: MESSAGE.to_owned(),
        session: SessionView::from(&saved.session),
        sequence: saved.sequence,
    }))
}

#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow)]
    vehicle_plate: Option<&'a RawValue>,
    entry_date_time: Option<&'a RawValue>,
    exit_date_time: Option<&'a RawValue>,
    lot_id: Option<&'a RawValue>,
}

fn parse(json: &[u8], now: Timestamp) -> Result<Summary, Problem> {
    let json = without_byte_order_mark(json);
    if json.trim_ascii_start().first() != Some(&b'{') {
        // Valid JSON of another type is invalid content, not malformed.
        let refusal = Problem::new(Kind::InvalidContent, "the body is not a JSON object");
        return Err(
            serde_json::from_slice::<serde::de::IgnoredAny>(json).map_or_else(|error| unreadable(&error), |_| refusal)
        );
    }
    let members: Members<'_> = serde_json::from_slice(json).map_err(|error| unreadable(&error))?;
    let mut faults = Faults::default();
    let plate = required("vehicle_plate", members.vehicle_plate, |text| Plate::named(text).map_err(str::to_owned));
    let plate = faults.check(plate);
    let entry = faults.check(required("entry_date_time", members.entry_date_time, time));
    let exit = faults.check(required("exit_date_time", members.exit_date_time, time));
    let lot = faults.check(optional("lot_id", members.lot_id, |text| {
        LotId::parse(text).map_err(|problem| format!("{} {problem}", quoted(text)))
    }));
    if let (Some(entry), Some(exit)) = (entry, exit)
        && exit < entry
    {
        let problem = format!("{exit} is before entry_date_time {entry}");
        faults.check::<()>(Err(Fault::member("exit_date_time", problem)));
    }
    if let Some(exit) = exit
        && exit.millis_since(now) > AHEAD_MAX_MS
    {
        let problem = format!("{exit} is more than five minutes ahead of {now}: save a stay after its exit");
        faults.check::<()>(Err(Fault::member("exit_date_time", problem)));
    }
    faults.none()?;
    match (plate, entry, exit, lot) {
        (Some(plate), Some(entry), Some(exit), Some(lot)) => {
            Ok(Summary { vehicle: Vehicle { lot: lot.unwrap_or_default(), plate }, entry, exit })
        }
        _ => Err(Problem::new(Kind::InvalidContent, Kind::InvalidContent.meaning())),
    }
}

/// The problem of a body that serde rejects: the kind of error and its position. serde's text may quote a plate.
fn unreadable(error: &serde_json::Error) -> Problem {
    let position = format!("at line {} column {}", error.line(), error.column());
    match error.classify() {
        Category::Data => Problem::new(Kind::InvalidContent, format!("the body repeats a member, {position}")),
        Category::Eof => Problem::new(Kind::Malformed, format!("the body is not JSON: it ends too early, {position}")),
        Category::Syntax | Category::Io => {
            Problem::new(Kind::Malformed, format!("the body is not JSON: a syntax error {position}"))
        }
    }
}

fn required<T>(
    name: &str,
    value: Option<&RawValue>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, Fault> {
    optional(name, value, parse)?.ok_or_else(|| Fault::member(name, "is missing"))
}

/// Parses an optional member, which is a string; null counts as absent.
fn optional<T>(
    name: &str,
    value: Option<&RawValue>,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, Fault> {
    let Some(value) = value.filter(|value| value.get() != "null") else { return Ok(None) };
    let text: String = serde_json::from_str(value.get()).map_err(|_| Fault::member(name, "is not a string"))?;
    parse(&text).map(Some).map_err(|problem| Fault::member(name, problem))
}

fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_rfc3339(text).map_err(|problem| format!("{} {problem}", quoted(text)))
}

#[cfg(test)]
mod tests {
    use sessions::testing::{minute, vehicle};

    use super::*;

    const GOOD: &str = r#"{"vehicle_plate":"fin-123","entry_date_time":"2024-09-24T09:00:00Z","exit_date_time":"2024-09-24T10:00:00Z"}"#;

    fn refusal(json: &str) -> (u16, String) {
        let problem = parse(json.as_bytes(), minute(65)).unwrap_err();
        (problem.status().as_u16(), problem.detail().to_owned())
    }

    #[test]
    fn a_summary_may_have_unknown_members() {
        let summary = Summary { vehicle: vehicle("main", "FIN123"), entry: minute(0), exit: minute(60) };
        assert_eq!(parse(GOOD.as_bytes(), minute(55)), Ok(summary.clone()));
        assert_eq!(
            parse(GOOD.replace('{', "{\"note\":[{}],\"lot_id\":null,").as_bytes(), minute(60)),
            Ok(summary.clone())
        );
        let of_lot = Summary { vehicle: vehicle("P3", "FIN123"), ..summary };
        assert_eq!(parse(GOOD.replace('{', "\n{\"lot_id\":\"P3\",").as_bytes(), minute(60)), Ok(of_lot));
    }

    #[test]
    fn what_is_not_json_is_malformed_and_other_json_is_invalid() {
        for json in ["", " ", "{", "nonsense", &GOOD[..40], "{\"vehicle_plate\":}", &"[".repeat(10_000)] {
            assert_eq!(refusal(json).0, 400, "{json}");
        }
        for json in ["[]", "null", "1", "\"text\"", "{}"] {
            assert_eq!(refusal(json).0, 422, "{json}");
        }
    }

    #[test]
    fn an_error_lists_all_invalid_members_and_never_the_plate() {
        let json =
            r#"{"vehicle_plate":"SECRET-PLATE-TOO-LONG-FOR-A-PLATE","entry_date_time":"yesterday","lot_id":"a b"}"#;
        let expected = "vehicle_plate has more than 16 letters and digits; entry_date_time \"yesterday\" is not an RFC \
                        3339 date and time such as 2024-09-24T09:00:00.125Z; exit_date_time is missing; lot_id \"a b\" is \
                        not 1 to 64 of A-Z a-z 0-9 . _ -";
        assert_eq!(refusal(json), (422, expected.to_owned()));
    }

    #[test]
    fn an_exit_more_than_five_minutes_ahead_of_the_clock_is_refused() {
        assert!(parse(GOOD.as_bytes(), minute(55)).is_ok());
        let (just, never) = (GOOD.replace("10:00:00", "10:10:00.001"), GOOD.replace("2024-09-24T10", "9999-12-31T10"));
        let expected = "exit_date_time 2024-09-24T10:10:00.001Z is more than five minutes ahead of 2024-09-24T10:05:00.000Z: save \
                        a stay after its exit";
        assert_eq!(refusal(&just), (422, expected.to_owned()));
        assert_eq!(refusal(&never).0, 422);
    }

    #[test]
    fn an_exit_before_its_entry_and_a_repeated_member_are_refused() {
        let (status, detail) = refusal(&GOOD.replace("24T10", "23T10"));
        assert_eq!(status, 422);
        assert_eq!(
            detail,
            "exit_date_time 2024-09-23T10:00:00.000Z is before entry_date_time 2024-09-24T09:00:00.000Z"
        );
        assert_eq!(refusal(&GOOD.replace('{', "{\"vehicle_plate\":\"A1\",")).0, 422);
    }
}
