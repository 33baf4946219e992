//! Compares a server's clock with this machine's.

use parking::{Clock as _, SystemClock};

use super::finding::Finding;

/// The maximum difference of two clocks.
const DIFFERENCE_MAX_MS: i64 = 2_000;

/// A server's clock, and this machine's clock around the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerTime {
    /// The earliest and the latest time of the server's clock, milliseconds.
    pub(super) theirs: (i64, i64),
    /// This machine's clock before the request and after the answer, milliseconds.
    pub(super) ours: (i64, i64),
}

/// This machine's clock, milliseconds.
pub(super) fn now_ms() -> i64 {
    SystemClock.now().as_millis()
}

/// A warning if the clocks differ by more than two seconds, whatever the latency of the answer.
pub(super) fn finding(server: &str, time: ServerTime) -> Option<Finding> {
    let (earliest, latest) = time.theirs;
    let difference_ms = if latest < time.ours.0 { latest - time.ours.0 } else { (earliest - time.ours.1).max(0) };
    if difference_ms.abs() <= DIFFERENCE_MAX_MS {
        return None;
    }
    let (by, side) =
        (parking::readable::human_duration(difference_ms.abs()), if difference_ms > 0 { "ahead of" } else { "behind" });
    let seen = Finding::ok(format!("clock of {server}"), format!("{by} {side} this machine's"));
    Some(seen.warns(
        "clocks differ by more than 2s: times of records, of holds and in logs of the two can't be compared",
        "set both clocks by a time server; on each machine: timedatectl set-ntp true && timedatectl status",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_differ_by_more_than_two_seconds_are_warned_of() {
        let seen = |theirs, ours| finding("redis", ServerTime { theirs, ours }).map(|finding| finding.seen);

        assert_eq!(seen((10_000, 10_000), (8_000, 8_100)), None);
        assert_eq!(seen((10_000, 10_999), (12_900, 13_000)), None);
        assert_eq!(seen((10_000, 10_000), (1_000, 9_000)), None);
        assert_eq!(seen((10_000, 10_000), (6_000, 7_000)).as_deref(), Some("3s ahead of this machine's"));
        assert_eq!(seen((10_000, 10_999), (15_000, 16_000)).as_deref(), Some("4s behind this machine's"));
    }
}
