//! The live feeds: `GET /api/v1/live`, a WebSocket, and `GET /api/v1/live/events`, server-sent events.
//!
//! Both send equal messages, each an element of `/api/v1/changes`. [`feed`] reads the changes and disconnects clients
//! that are too slow.

mod events;
pub(crate) mod feed;
mod socket;

use std::time::Duration;

use api::parameters::{lot, optional};
use api::questions::changes;
use api::{Kind, Problem};
use axum::http::{HeaderMap, HeaderName};
use parking::LotId;
use sessions::ScopedService;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use feed::{Live, Subscription};

pub(crate) use feed::limits;

/// The time without a message after which the server sends a heartbeat.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(15);
/// The header with which an `EventSource` resumes.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The routes of the live feeds.
pub(super) fn routes() -> OpenApiRouter<Live> {
    OpenApiRouter::new().routes(routes!(socket::live)).routes(routes!(events::live_events))
}

api::parameters! {
    /// The parameters of a live feed.
    #[derive(Debug, PartialEq, Eq, IntoParams)]
    #[into_params(parameter_in = Query)]
    struct LiveFeedParameters {
        /// Begin after the change with this sequence number, however old it is; the default is the newest change
        after: Option<u64> = optional(changes::number);
        /// Only changes of this lot
        #[param(value_type = Option<String>)]
        lot_id: Option<LotId> = optional(lot);
    }
}

impl LiveFeedParameters {
    /// Subscribes a client. `Last-Event-ID` takes precedence over `after`: a client that reconnects still uses the URL of
    /// its first connection.
    async fn subscribe(
        self,
        headers: &HeaderMap,
        live: &Live,
        service: &ScopedService,
    ) -> Result<Subscription, Problem> {
        service.readable(self.lot_id.as_ref())?;
        let after = last_event(headers)?.or(self.after);
        changes::not_beyond(service, after.unwrap_or(0)).await?;
        Ok(live.join(after, self.lot_id.as_ref(), service).await?)
    }
}

/// Parses `Last-Event-ID`. A browser that received no event with an id may send the header without a value.
fn last_event(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let text = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let number = text.map(|text| changes::number(text.to_str().unwrap_or_default())).transpose();
    number.map_err(|problem| Problem::new(Kind::InvalidContent, format!("Last-Event-ID {problem}")))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_last_event_id_is_a_number_or_empty() {
        let last = |value| last_event(&HeaderMap::from_iter([(LAST_EVENT_ID, HeaderValue::from_static(value))]));
        assert_eq!(last_event(&HeaderMap::new()), Ok(None));
        assert_eq!(last("7"), Ok(Some(7)));
        assert_eq!(last(""), Ok(None));
        assert_eq!(last("x").unwrap_err().status(), 422);
    }
}
