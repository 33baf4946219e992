//! `GET /api/v1/live`: the feed as a WebSocket.

use std::time::Duration;

use api::{Kind, Problem, Query};
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior};

use super::feed::{Ended, Live, Subscription};
use super::{HEARTBEAT, LiveParameters};

/// Clients have nothing to say here but their pongs.
const LARGEST_MESSAGE_BYTES: usize = 4 * 1024;
/// A client that has not answered so many signs of life is gone.
const UNANSWERED: u32 = 2;
/// How long a client may take for one message, and for the close.
const SEND_MAX: Duration = Duration::from_secs(5);
const CLOSE_MAX: Duration = Duration::from_secs(1);

/// Follows the ledger: a WebSocket that sends each change as it is committed, as a text message.
///
/// A message is an element of `/api/v1/changes`. Without `after` it begins with what comes next. A client that is too
/// slow is closed with 1013, a stop closes with 1001, a ledger that can't be read with 1011; each time it goes on with the
/// last `sequence` as `after`. One that does not take a message within five seconds is cut off. Pings come every 15 seconds. What a client sends is ignored.
#[utoipa::path(
    get, path = "/api/v1/live", tag = "changes",
    params(LiveParameters),
    responses((status = 101, description = "The WebSocket is open; its text messages are changes")),
)]
pub(super) async fn live(
    State(live): State<Live>,
    Query(asked): Query<LiveParameters>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|problem| {
        let hint = "this address is a WebSocket; /api/v1/live/events has the same as server-sent events";
        Problem::new(Kind::Malformed, format!("{hint} ({problem})"))
    })?;
    let subscription = asked.subscribe(&headers, &live).await?;
    let upgrade = upgrade.max_message_size(LARGEST_MESSAGE_BYTES).max_frame_size(LARGEST_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| serve(socket, subscription)))
}

async fn serve(mut socket: WebSocket, mut subscription: Subscription) {
    let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        let message = tokio::select! {
            next = subscription.next() => match next {
                Ok(message) => Message::Text(message.text.clone()),
                Err(ended) => return close(socket, ended).await,
            },
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    unanswered = 0;
                    continue;
                }
            },
            _ = heartbeat.tick() => {
                if unanswered >= UNANSWERED {
                    return;
                }
                unanswered += 1;
                Message::Ping(axum::body::Bytes::new())
            }
        };
        match tokio::time::timeout(SEND_MAX, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            // The message that it does not read stands before anything that could tell it why.
            Err(_) => return subscription.cut_off(),
        }
    }
}

/// Says why, and waits a moment for the client's own close, so that it can read what was said.
async fn close(mut socket: WebSocket, ended: Ended) {
    let code = match ended {
        Ended::Lagged => close_code::AGAIN,
        Ended::Stopping => close_code::AWAY,
        Ended::Failed => close_code::ERROR,
    };
    let reason = Utf8Bytes::from(ended.to_string());
    let goodbye = async {
        if socket.send(Message::Close(Some(CloseFrame { code, reason }))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // A client that does not answer has had its chance.
    drop(tokio::time::timeout(CLOSE_MAX, goodbye).await);
}
