//! The live feeds: `GET /api/v1/live`, a WebSocket, and `GET /api/v1/live/events`, server-sent events.
//!
//! Both send the same messages, each an element of `/api/v1/changes`. Which messages there are, and who gets too slow for
//! them, is [`feed`]'s.

mod events;
pub(crate) mod feed;
mod socket;

use std::time::Duration;

use api::parameters::{self, Faults, Query};
use api::questions::changes;
use api::{Kind, Problem};
use axum::http::{HeaderMap, Uri};
use parking::LotId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use feed::Live;

pub(crate) use feed::limits;

/// When nothing has happened for so long, the client is sent a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// The header with which an `EventSource` goes on.
const LAST_EVENT_ID: &str = "last-event-id";

/// The routes, which need the feed as their state.
pub(super) fn routes() -> OpenApiRouter<Live> {
    OpenApiRouter::new().routes(routes!(socket::live)).routes(routes!(events::live_events))
}

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    after: Option<u64>,
    lot: Option<LotId>,
}

impl Asked {
    /// A `Last-Event-ID` wins over `after`: a client that comes back still has the address of its first visit.
    fn read(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let query = Query::read(uri, &["after", "lot_id"])?;
        let mut faults = Faults::default();
        let after = faults.check(query.one("after", changes::number)).flatten();
        let lot = faults.check(query.one("lot_id", parameters::lot)).flatten();
        faults.none()?;
        // A browser that has had no event with an id may send the header without a value.
        let last = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()).map(|value| {
            let text = value.to_str().unwrap_or_default();
            let refused = |problem| Problem::new(Kind::InvalidContent, format!("Last-Event-ID {problem}"));
            changes::number(text).map_err(refused)
        });
        Ok(Self { after: last.transpose()?.or(after), lot })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_last_event_wins_over_the_address() {
        let uri: Uri = "/api/v1/live/events?after=3&lot_id=P3".parse().unwrap();
        let asked = |headers: &HeaderMap| Asked::read(&uri, headers).map(|asked| asked.after);
        assert_eq!(asked(&HeaderMap::new()), Ok(Some(3)));
        assert_eq!(asked(&headers(&[("last-event-id", "7")])), Ok(Some(7)));
        assert_eq!(asked(&headers(&[("last-event-id", "")])), Ok(Some(3)));
        assert_eq!(asked(&headers(&[("last-event-id", "x")])).unwrap_err().status(), 422);
    }
}
