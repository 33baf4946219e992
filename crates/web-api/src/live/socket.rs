//! `GET /api/v1/live`: the live feed as a WebSocket.

use std::time::Duration;

use api::{Kind, Problem, Query, Scoped};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::Response;
use tokio::time::{Instant, MissedTickBehavior};

use super::feed::{Ended, Live, Subscription};
use super::{HEARTBEAT_INTERVAL, LiveFeedParameters};
use crate::access::{Checks, Pass};

/// The largest message from a client, bytes; only pongs are expected.
const MESSAGE_BYTES_MAX: usize = 4 * 1024;
/// The number of unanswered pings after which a client counts as gone.
const UNANSWERED_PINGS_MAX: u32 = 2;
/// The deadline for sending one message.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// The deadline for the close handshake.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends each change to the ledger when it is committed, as a text message of a WebSocket.
///
/// A message is an element of `/api/v1/changes`. Without `after`, the feed begins with the next change. The server
/// closes with 1013 if the client is too slow, with 1001 at a shutdown, with 1011 if the ledger can't be read;
/// reconnect with the last `sequence` as `after`. It closes with 1008 when the token is no longer valid. It disconnects
/// a client that does not receive a message within five seconds. It sends a ping every 15 seconds, and ignores messages
/// of the client.
#[utoipa::path(
    get, path = "/api/v1/live", tag = "changes",
    params(LiveFeedParameters),
    responses((status = 101, description = "The WebSocket is open; each text message is a change")),
)]
pub(super) async fn live(
    State(live): State<Live>,
    Extension(pass): Extension<Pass>,
    Scoped(service): Scoped,
    Query(parameters): Query<LiveFeedParameters>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|problem| {
        let hint = "this route is a WebSocket; /api/v1/live/events is the feed as server-sent events";
        Problem::new(Kind::Malformed, format!("{hint} ({problem})"))
    })?;
    let subscription = parameters.subscribe(&headers, &live, &service).await?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| serve(socket, subscription, pass.checks())))
}

async fn serve(mut socket: WebSocket, mut subscription: Subscription, mut checks: Checks) {
    let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT_INTERVAL, HEARTBEAT_INTERVAL);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut unanswered = 0;
    loop {
        let message = tokio::select! {
            next = subscription.next() => match next {
                Ok(message) => Message::Text(message.text.clone()),
                Err(ended) => return close(socket, ended).await,
            },
            () = checks.ended() => return close(socket, Ended::Refused).await,
            received = socket.recv() => match received {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {
                    unanswered = 0;
                    continue;
                }
            },
            _ = heartbeat.tick() => {
                if unanswered >= UNANSWERED_PINGS_MAX {
                    return;
                }
                unanswered += 1;
                Message::Ping(axum::body::Bytes::new())
            }
        };
        match tokio::time::timeout(SEND_TIMEOUT, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return,
            // The unread message blocks the connection, so a close frame would not arrive.
            Err(_) => return subscription.cut_off(),
        }
    }
}

/// Sends the close code and the reason, and waits for the client's close, so that it can read them.
async fn close(mut socket: WebSocket, ended: Ended) {
    let code = match ended {
        Ended::Lagged => close_code::AGAIN,
        Ended::Stopping => close_code::AWAY,
        Ended::Refused => close_code::POLICY,
        Ended::Failed => close_code::ERROR,
    };
    let reason = Utf8Bytes::from(ended.to_string());
    let handshake = async {
        if socket.send(Message::Close(Some(CloseFrame { code, reason }))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // A client that does not answer before the deadline is disconnected.
    drop(tokio::time::timeout(CLOSE_TIMEOUT, handshake).await);
}
