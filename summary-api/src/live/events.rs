//! `GET /api/v1/live/events`: the feed as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use api::{Problem, Query};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, stream};

use super::feed::{Ended, Live, Subscription};
use super::{HEARTBEAT, LiveParameters};

/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(1);

/// Follows the ledger: server-sent events, one for each change as it is committed.
///
/// An event's data is an element of `/api/v1/changes` and its id the change's number, so that an `EventSource` that comes
/// back with `Last-Event-ID` misses nothing, however long it was away. Without a number it begins with what comes next. A
/// client that is too slow gets the event `lagged`, at a stop the event `stopping`, when the ledger can't be read `failed`,
/// and then the end; each time it goes on with the last id. After 15 seconds without a change comes a comment.
#[utoipa::path(
    get, path = "/api/v1/live/events", tag = "changes",
    params(
        LiveParameters,
        ("Last-Event-ID" = Option<u64>, Header, description = "The same as after, and wins over it"),
    ),
    responses((status = 200, description = "Events without end", body = String, content_type = "text/event-stream")),
)]
pub(super) async fn live_events(
    State(live): State<Live>,
    Query(asked): Query<LiveParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let subscription = asked.subscribe(&headers, &live).await?;
    // A proxy that collects an answer before it passes it on would hold back every event.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    Ok(([unbuffered], Sse::new(events(subscription))).into_response())
}

/// The events, of which the first says where the feed begins, so that a client that is cut off at once can go on there.
fn events(subscription: Subscription) -> impl Stream<Item = Result<Event, Infallible>> {
    let begin = Event::default().retry(RETRY).id(subscription.position().to_string());
    let rest = stream::unfold(Some(subscription), |subscription| async {
        let mut subscription = subscription?;
        let event = match tokio::time::timeout(HEARTBEAT, subscription.next()).await {
            Ok(Ok(message)) => Event::default().id(message.sequence.to_string()).data(message.text.as_str()),
            Ok(Err(ended)) => return Some((Ok(last(ended)), None)),
            // The number grows with what is left out, too: who comes back need not read it again.
            Err(_) => Event::default().id(subscription.position().to_string()).comment("still here"),
        };
        Some((Ok(event), Some(subscription)))
    });
    futures::StreamExt::chain(stream::iter([Ok(begin)]), rest)
}

fn last(ended: Ended) -> Event {
    let name = match ended {
        Ended::Lagged => "lagged",
        Ended::Stopping => "stopping",
        Ended::Failed => "failed",
    };
    Event::default().event(name).data(ended.to_string())
}
