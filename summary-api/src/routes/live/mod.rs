//! The live feeds: `GET /api/v1/live`, a WebSocket, and `GET /api/v1/live/events`, server-sent events.
//!
//! Both send the same messages, each an element of `/api/v1/changes`. Which messages there are, and who gets too slow for
//! them, is [`live`](crate::live)'s.

mod events;
mod socket;

use std::time::Duration;

use axum::http::{HeaderMap, Uri, header};
use parking::LotId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::changes;
use super::query::{self, Faults, Query, quoted};
use crate::live::Live;
use crate::problem::{Kind, Problem};

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
        let lot = faults.check(query.one("lot_id", query::lot)).flatten();
        faults.none()?;
        let last = headers.get(LAST_EVENT_ID).map(|value| {
            let text = value.to_str().unwrap_or_default();
            let refused = |problem| Problem::new(Kind::InvalidContent, format!("Last-Event-ID {problem}"));
            changes::number(text).map_err(refused)
        });
        Ok(Self { after: last.transpose()?.or(after), lot })
    }
}

/// Refuses a page of another site: browsers let any page open a WebSocket anywhere, and say whose page it is.
fn of_the_same_site(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let (Some(origin), host) = (text(header::ORIGIN), text(header::HOST)) else { return Ok(()) };
    let site = origin.split_once("://").map(|(_, site)| site);
    if site.is_some_and(|site| host.is_some_and(|host| host.eq_ignore_ascii_case(site))) {
        return Ok(());
    }
    let (origin, host) = (quoted(origin), quoted(host.unwrap_or_default()));
    let problem = format!("the live feed is for pages of this address, {host}, and not for those of {origin}");
    Err(Problem::new(Kind::Forbidden, problem))
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
        assert_eq!(asked(&headers(&[("last-event-id", "x")])).unwrap_err().status(), 422);
    }

    #[test]
    fn only_pages_of_this_address_and_programs_may_open_a_socket() {
        let may = |pairs: &[(&'static str, &'static str)]| of_the_same_site(&headers(pairs)).is_ok();
        let host = ("host", "parking.example:5000");
        assert!(may(&[host]) && may(&[]));
        assert!(may(&[host, ("origin", "http://parking.example:5000")]));
        assert!(may(&[("host", "Parking.example"), ("origin", "https://parking.EXAMPLE")]));
        for origin in ["http://evil.example", "http://parking.example", "null", ""] {
            assert!(!may(&[host, ("origin", origin)]), "{origin}");
        }
    }
}
