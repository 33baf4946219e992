//! Waits for a condition with a deadline, instead of sleeping and hoping.
//!
//! Deadlines are in real time: the servers do not know tokio's paused clock. The futures are for the test's own task,
//! not for a spawned one, because the conditions may borrow from the test.

use std::panic::Location;
use std::time::{Duration, Instant};

/// The interval between two checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// `wait_until(Duration::from_secs(10), "the queue to be empty", async || depth().await == 0).await`
///
/// # Panics
/// It does not hold within `deadline`; the message has `what` and the caller.
#[track_caller]
pub fn wait_until(
    deadline: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move { wait(deadline, what, caller, async || condition().await.then_some(())).await }
}

/// Waits until `attempt` returns a value, and returns it.
///
/// # Panics
/// It does not within `deadline`; the message has `what` and the caller.
#[track_caller]
pub fn wait_for<T>(deadline: Duration, what: &str, attempt: impl AsyncFnMut() -> Option<T>) -> impl Future<Output = T> {
    wait(deadline, what, Location::caller(), attempt)
}

async fn wait<T>(
    deadline: Duration,
    what: &str,
    caller: &Location<'_>,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> T {
    let start = Instant::now();
    loop {
        // The deadline also applies to an attempt that hangs.
        let left = deadline.saturating_sub(start.elapsed());
        if let Ok(Some(value)) = tokio::time::timeout(left.max(CHECK_INTERVAL), attempt()).await {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what} ({caller})");
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_ends_with_the_first_answer() {
        let mut asked = 0;

        let answer = wait_for(Duration::from_secs(5), "the third question", async || {
            asked += 1;
            (asked == 3).then_some("yes")
        })
        .await;

        assert_eq!((answer, asked), ("yes", 3));
    }

    #[tokio::test]
    #[should_panic(expected = "waited 50ms in vain for the sea to part")]
    async fn waiting_in_vain_says_for_what() {
        wait_until(Duration::from_millis(50), "the sea to part", async || false).await;
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for an answer")]
    async fn an_attempt_that_hangs_does_not_outlast_the_deadline() {
        wait_until(Duration::from_millis(50), "an answer", async || std::future::pending().await).await;
    }
}
