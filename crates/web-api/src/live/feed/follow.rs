//! The task that follows the ledger's changes for all clients of the feed: commits of this process at once, commits of
//! other processes within half a second. It stops while there are no clients.
//!
//! It reads at most [`PAGE_CHANGES`] changes every [`READ_INTERVAL`], about 1,280 a second, so that recording has
//! priority. Above that rate, when it is more than [`BEHIND_CHANGES_MAX`] changes behind, it disconnects the clients
//! and continues at the newest change.

use std::sync::Arc;
use std::time::Duration;

use super::{Announced, Announcement, Inner};

/// The most changes of one read: fewer than a queue holds, so one read can't overflow an empty queue.
const PAGE_CHANGES: u32 = 64;
/// The shortest time between two reads.
const READ_INTERVAL: Duration = Duration::from_millis(50);
/// The longest time between two reads, so the largest delay of commits by other processes.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The largest number of committed changes that are not yet sent.
pub(super) const BEHIND_CHANGES_MAX: u64 = 4_096;

/// How long a shutdown waits until the clients have the last message.
const LAST_MESSAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Runs until the shutdown, and then until the clients have the last message.
pub(super) async fn run(inner: &Inner) {
    let mut audience = inner.audience.subscribe();
    loop {
        tokio::select! {
            biased;
            () = inner.lifecycle.stopping() => break,
            // The sender lives as long as `inner`.
            _ = audience.wait_for(|audience| audience.clients > 0) => {}
        }
        tokio::select! {
            biased;
            () = inner.lifecycle.stopping() => break,
            () = follow(inner) => {}
        }
    }
    drop(tokio::time::timeout(LAST_MESSAGE_TIMEOUT, audience.wait_for(|audience| audience.clients == 0)).await);
}

/// Follows until the last client has left.
async fn follow(inner: &Inner) {
    let Some(mut position) = newest(inner).await else { return };
    let mut commits = inner.service.commits();
    inner.audience.send_modify(|audience| audience.is_followed = true);
    while !is_over(inner) {
        commits.mark_unchanged();
        let is_full = announce(inner, &mut position).await;
        tokio::time::sleep(READ_INTERVAL).await;
        if !is_full {
            drop(tokio::time::timeout(POLL_INTERVAL.saturating_sub(READ_INTERVAL), commits.changed()).await);
        }
    }
}

/// The change to begin at; `None` when the last client has left. Retries while the ledger is down.
async fn newest(inner: &Inner) -> Option<u64> {
    loop {
        match inner.service.last_change().await {
            Ok(newest) => return Some(newest),
            Err(error) => tracing::debug!(%error, "the live feed can't start: reading the newest change failed"),
        }
        if is_over(inner) {
            return None;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Ends following when there are no clients. Atomic, so that a new client either counts or sees that it has ended.
fn is_over(inner: &Inner) -> bool {
    inner.audience.send_if_modified(|audience| {
        let is_over = audience.clients == 0;
        audience.is_followed &= !is_over;
        is_over
    })
}

/// Sends new changes to all clients; returns whether there may be more already.
async fn announce(inner: &Inner, position: &mut u64) -> bool {
    let changes = match inner.service.followed_changes(*position, PAGE_CHANGES).await {
        Ok(changes) => changes,
        Err(error) => {
            tracing::debug!(%error, "the live feed can't read changes");
            return false;
        }
    };
    let is_full = u32::try_from(changes.len()).is_ok_and(|count| count == PAGE_CHANGES);
    for change in changes {
        *position = change.sequence();
        // There is no receiver while all clients are still catching up.
        drop(inner.messages.send(Announced::Change(Arc::new(Announcement::of(change)))));
    }
    if is_full {
        skip(inner, position).await;
    }
    is_full
}

/// Continues at the newest change if the feed is too far behind.
async fn skip(inner: &Inner, position: &mut u64) {
    match inner.service.last_change().await {
        Ok(newest) if newest.saturating_sub(*position) > BEHIND_CHANGES_MAX => {
            tracing::debug!(behind = newest - *position, "the live feed skips changes");
            *position = newest;
            drop(inner.messages.send(Announced::Skipped));
        }
        Ok(_) | Err(_) => {}
    }
}
