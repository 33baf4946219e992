//! `GET /api/v1/live/events`: the live feed as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use api::{Problem, Query, Scoped};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, stream};

use super::feed::{Ended, Live, Subscription};
use super::{HEARTBEAT_INTERVAL, LiveFeedParameters};
use crate::access::{Checks, Pass};

/// The delay before a browser reconnects.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// Sends each change to the ledger when it is committed, as a server-sent event.
///
/// The data of an event is an element of `/api/v1/changes`; its id is the sequence number of the change, so an
/// `EventSource` that reconnects with `Last-Event-ID` misses nothing, however old that id is. Without a number, the
/// feed begins with the next change. The last event before the server disconnects is `lagged` for a client that is too
/// slow, `stopping` at a shutdown, `failed` if the ledger can't be read, and then reconnect with the last id; or
/// `refused` when the token is no longer valid. After 15 seconds without a change, the server sends a comment.
#[utoipa::path(
    get, path = "/api/v1/live/events", tag = "changes",
    params(
        LiveFeedParameters,
        ("Last-Event-ID" = Option<u64>, Header, description = "Like after, and takes precedence over it: a browser's EventSource sends it when it reconnects"),
    ),
    responses((status = 200, description = "An endless stream of events", body = String, content_type = "text/event-stream")),
)]
pub(super) async fn live_events(
    State(live): State<Live>,
    Extension(pass): Extension<Pass>,
    Scoped(service): Scoped,
    Query(parameters): Query<LiveFeedParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let subscription = parameters.subscribe(&headers, &live, &service).await?;
    // A proxy that buffers a response would delay every event.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    Ok(([unbuffered], Sse::new(events(subscription, pass.checks()))).into_response())
}

/// The events. The first one contains the start of the feed, so that a client that is disconnected at once can resume
/// there.
fn events(subscription: Subscription, checks: Checks) -> impl Stream<Item = Result<Event, Infallible>> {
    let begin = Event::default().retry(RECONNECT_DELAY).id(subscription.position().to_string());
    let rest = stream::unfold(Some((subscription, checks)), |client| async {
        let (mut subscription, mut checks) = client?;
        let next = async {
            tokio::select! {
                () = checks.ended() => Err(Ended::Refused),
                next = subscription.next() => next,
            }
        };
        let event = match tokio::time::timeout(HEARTBEAT_INTERVAL, next).await {
            Ok(Ok(message)) => Event::default().id(message.sequence.to_string()).data(message.text.as_str()),
            Ok(Err(ended)) => return Some((Ok(last(ended)), None)),
            // The position includes changes of other lots: a client that reconnects does not read them again.
            Err(_) => Event::default().id(subscription.position().to_string()).comment("heartbeat"),
        };
        Some((Ok(event), Some((subscription, checks))))
    });
    futures::StreamExt::chain(stream::iter([Ok(begin)]), rest)
}

fn last(ended: Ended) -> Event {
    let name = match ended {
        Ended::Lagged => "lagged",
        Ended::Stopping => "stopping",
        Ended::Refused => "refused",
        Ended::Failed => "failed",
    };
    Event::default().event(name).data(ended.to_string())
}
