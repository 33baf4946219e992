//! `GET /api/v1/sessions` as a stream: all sessions that fit the filter, as CSV or as JSON lines, in bounded memory.
//!
//! CSV has the columns of `dwell export`, or also what the list of the page shows; the NDJSON lines are the elements of the JSON list. The parameters are those
//! of the list.

use api::questions::session_list::{Columns, Format};
use api::{Problem, SessionView};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parking::session_row::{HEADER, HEADER_OF_LIST, ListColumns, Row, append_row, append_row_of_list};
use parking::{GateId, SessionId};
use sessions::{LotStatus, Marks, ScopedService, SeenSession, StreamRequest};

/// The capacity for a CSV line, bytes; most lines are shorter.
const CSV_LINE_BYTES: usize = 256;
/// The capacity for an NDJSON line, bytes; most lines are shorter.
const NDJSON_LINE_BYTES: usize = 640;

/// The format of the lines of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Csv,
    Ndjson,
}

/// The format of the stream, if the parameter `format` or else the header `Accept` selects one.
pub(super) fn lines(named: Option<Format>, headers: &HeaderMap) -> Option<Lines> {
    match named.or_else(|| accepted(headers))? {
        Format::Json => None,
        Format::Csv => Some(Lines::Csv),
        Format::Ndjson => Some(Lines::Ndjson),
    }
}

/// The first known format in `Accept`.
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

/// Streams the requested sessions.
pub(super) async fn answer(
    service: &ScopedService,
    request: StreamRequest,
    lines: Lines,
    columns: Columns,
) -> Result<Response, Problem> {
    // Ages and marks are as of now for the whole answer.
    let lots = if columns == Columns::List { Some(service.lots().await?) } else { None };
    let pages = service.every_session(request).await?;
    let first_line = lines.first_line(columns);
    let begin = stream::iter(first_line.map(|line| Ok(Bytes::from_static(line.as_bytes()))));
    let rest = pages.map_ok(move |page| lines.of(&page, lots.as_deref())).inspect_err(|error: &sessions::Error| {
        tracing::warn!(%error, "a stream of sessions failed before its end");
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
    fn first_line(self, columns: Columns) -> Option<&'static str> {
        match (self, columns) {
            (Self::Csv, Columns::Session) => Some(HEADER),
            (Self::Csv, Columns::List) => Some(HEADER_OF_LIST),
            (Self::Ndjson, _) => None,
        }
    }

    const fn headers(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => ("text/csv; charset=utf-8; header=present", "attachment; filename=\"sessions.csv\""),
            Self::Ndjson => ("application/x-ndjson", "attachment; filename=\"sessions.ndjson\""),
        }
    }

    /// The lines of a page; `lots` is for the columns of a list.
    fn of(self, page: &[SeenSession], lots: Option<&[LotStatus]>) -> Bytes {
        let mut text = Vec::with_capacity(
            page.len()
                * match self {
                    Self::Csv => CSV_LINE_BYTES,
                    Self::Ndjson => NDJSON_LINE_BYTES,
                },
        );
        for row in page {
            match (self, lots) {
                (Self::Csv, None) => append_row(&csv_row(row), &mut text),
                (Self::Csv, Some(lots)) => append_listed(row, lots, &mut text),
                (Self::Ndjson, _) => append_json(row, &mut text),
            }
        }
        text.into()
    }
}

fn csv_row(session: &SeenSession) -> Row<'_> {
    Row {
        id: SessionId::from_uuid(session.id),
        lot: session.lot.as_str(),
        plate: session.plate.as_str(),
        entry_event_id: session.entry_event_id,
        entry_time: session.entry_time,
        exit_event_id: session.exit_event_id,
        exit_time: session.exit_time,
        state: session.state,
        reason: session.reason,
    }
}

fn append_listed(session: &SeenSession, lots: &[LotStatus], text: &mut Vec<u8>) {
    let lot = lots.iter().find(|lot| lot.id == session.lot);
    let columns = ListColumns {
        entry_gate: session.entry_gate.as_ref().map(GateId::as_str),
        exit_gate: session.exit_gate.as_ref().map(GateId::as_str),
        stay_ms: lot.and_then(|lot| lot.stay_ms(session)),
        permitted_ms: lot.and_then(|lot| lot.permitted_ms(session)),
        marks: marks(lot.map(|lot| lot.marks(session)).unwrap_or_default()),
    };
    append_row_of_list(&csv_row(session), &columns, text);
}

const fn marks(marks: Marks) -> &'static str {
    match (marks.is_overstay, marks.is_doubtful) {
        (true, true) => "overstay doubtful",
        (true, false) => "overstay",
        (false, true) => "doubtful",
        (false, false) => "",
    }
}

fn append_json(session: &SeenSession, text: &mut Vec<u8>) {
    serde_json::to_writer(&mut *text, &SessionView::from(session)).expect("strings and numbers are always JSON");
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameter_takes_precedence_over_the_header_accept() {
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
