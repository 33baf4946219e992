//! `GET /api/v1/sessions` as a stream: all sessions that match, as CSV or as JSON lines, in bounded memory.
//!
//! The columns of CSV are those of `dwell export`, the lines of NDJSON the elements of the list. Which sessions there are
//! is said by the same parameters.

use api::SessionView;
use api::parameters::{Query, quoted};
use api::{Fault, Problem};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use ledger::SessionRow;
use parking::session_row::{HEADER, Row, append_row};
use sessions::{Service, Wanted};

/// Room for a line; most are shorter.
const LINE_BYTES: usize = 256;
const LONG_LINE_BYTES: usize = 640;

/// In which form sessions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A page.
    Json,
    /// A stream.
    Lines(Lines),
}

/// What the lines of a stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Csv,
    Ndjson,
}

impl Format {
    /// The form that `format` names, or else the first one in `Accept` that is known.
    pub(super) fn asked(query: &Query, headers: &HeaderMap) -> Result<Self, Fault> {
        let named = query.one("format", |text| match text {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Lines(Lines::Csv)),
            "ndjson" => Ok(Self::Lines(Lines::Ndjson)),
            _ => Err(format!("{} is none of json, csv and ndjson", quoted(text))),
        })?;
        Ok(named.or_else(|| accepted(headers)).unwrap_or(Self::Json))
    }
}

fn accepted(headers: &HeaderMap) -> Option<Format> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|range| {
        let media_type = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "text/csv" => Some(Format::Lines(Lines::Csv)),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Format::Lines(Lines::Ndjson)),
            "application/json" | "application/*" | "*/*" => Some(Format::Json),
            _ => None,
        }
    })
}

/// Answers with all that is wanted.
pub(super) async fn answer(service: &Service, wanted: Wanted, lines: Lines) -> Result<Response, Problem> {
    let pages = service.every_session(wanted).await?;
    let begin = stream::iter(lines.first_line().map(|line| Ok(Bytes::from_static(line.as_bytes()))));
    let rest = pages.map_ok(move |page| lines.of(&page)).inspect_err(|error: &sessions::Error| {
        tracing::warn!(%error, "a stream of sessions broke off");
    });
    let (media_type, disposition) = lines.headers();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(disposition)),
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    Ok((headers, Body::from_stream(begin.chain(rest))).into_response())
}

impl Lines {
    fn first_line(self) -> Option<&'static str> {
        match self {
            Self::Csv => Some(HEADER),
            Self::Ndjson => None,
        }
    }

    const fn headers(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"sessions.csv\""),
            Self::Ndjson => ("application/x-ndjson", "attachment; filename=\"sessions.ndjson\""),
        }
    }

    fn of(self, page: &[SessionRow]) -> Bytes {
        let mut text = Vec::with_capacity(
            page.len()
                * match self {
                    Self::Csv => LINE_BYTES,
                    Self::Ndjson => LONG_LINE_BYTES,
                },
        );
        for row in page {
            match self {
                Self::Csv => append_row(&csv_row(row), &mut text),
                Self::Ndjson => append_json(row, &mut text),
            }
        }
        text.into()
    }
}

fn csv_row(row: &SessionRow) -> Row<'_> {
    let session = &row.session;
    Row {
        id: session.id,
        lot: session.vehicle.lot.as_str(),
        plate: session.vehicle.plate.as_str(),
        entry_event_id: session.entry_event_id,
        entry_time: session.entry_time,
        exit_event_id: session.exit_event_id,
        exit_time: session.exit_time,
        state: session.state,
        reason: session.reason,
    }
}

fn append_json(row: &SessionRow, text: &mut Vec<u8>) {
    serde_json::to_writer(&mut *text, &SessionView::from(row)).expect("strings and numbers are always JSON");
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str, accept: Option<&'static str>) -> Result<Format, Fault> {
        let query = Query::read(&format!("/?{query}").parse().unwrap(), &["format"]).unwrap();
        let headers = accept.map(|value| (header::ACCEPT, HeaderValue::from_static(value)));
        Format::asked(&query, &headers.into_iter().collect())
    }

    #[test]
    fn the_form_is_named_or_accepted() {
        let (csv, ndjson) = (Ok(Format::Lines(Lines::Csv)), Ok(Format::Lines(Lines::Ndjson)));
        assert_eq!(asked("", None), Ok(Format::Json));
        assert_eq!(asked("", Some("text/html,application/xml;q=0.9,*/*;q=0.8")), Ok(Format::Json));
        assert_eq!(asked("", Some("Text/CSV; header=present")), csv);
        assert_eq!(asked("", Some("application/x-ndjson, application/json")), ndjson);
        assert_eq!(asked("", Some("application/json, text/csv")), Ok(Format::Json));
        assert_eq!(asked("format=csv", Some("application/json")), csv);
        assert_eq!(asked("format=ndjson", None), ndjson);
        assert!(asked("format=xml", None).is_err() && asked("format=csv&format=csv", None).is_err());
    }
}
