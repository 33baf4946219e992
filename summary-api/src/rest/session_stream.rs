//! `GET /api/v1/sessions` as a stream: all sessions that match, as CSV or as JSON lines, in bounded memory.
//!
//! The columns of CSV are those of `dwell export`, the lines of NDJSON the elements of the list. Which sessions there are
//! is said by the same parameters.

use api::questions::session_list::Format;
use api::{Problem, SessionView};
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

/// What the lines of a stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Csv,
    Ndjson,
}

/// The lines of a stream, if the parameter `format` or else the header `Accept` asks for one.
pub(super) fn lines(named: Option<Format>, headers: &HeaderMap) -> Option<Lines> {
    match named.or_else(|| accepted(headers))? {
        Format::Json => None,
        Format::Csv => Some(Lines::Csv),
        Format::Ndjson => Some(Lines::Ndjson),
    }
}

/// The first form in `Accept` that is known.
fn accepted(headers: &HeaderMap) -> Option<Format> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|range| {
        let media_type = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "text/csv" => Some(Format::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Format::Ndjson),
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

    #[test]
    fn the_form_is_named_or_accepted() {
        let asked = |named: Option<Format>, accept: Option<&'static str>| {
            let headers = accept.map(|value| (header::ACCEPT, HeaderValue::from_static(value)));
            lines(named, &headers.into_iter().collect())
        };
        assert_eq!(asked(None, None), None);
        assert_eq!(asked(None, Some("text/html,application/xml;q=0.9,*/*;q=0.8")), None);
        assert_eq!(asked(None, Some("Text/CSV; header=present")), Some(Lines::Csv));
        assert_eq!(asked(None, Some("application/x-ndjson, application/json")), Some(Lines::Ndjson));
        assert_eq!(asked(None, Some("application/json, text/csv")), None);
        assert_eq!(asked(Some(Format::Csv), Some("application/json")), Some(Lines::Csv));
        assert_eq!(asked(Some(Format::Ndjson), None), Some(Lines::Ndjson));
    }
}
