//! When a read is decided, in event time: two constants of the rule, whatever the settings.

use parking::Timestamp;

/// Delay of the first decision after the read, milliseconds.
pub const FIRST_MS: i64 = 30_000;
/// Delay of the second and last decision after the read, milliseconds.
pub const SETTLE_MS: i64 = 24 * 3_600_000;

/// When a read is decided: 24 hours after it once the lot's time has come there, before that at 30 seconds.
pub fn decided_at(read: Timestamp, lot_time: Timestamp) -> Timestamp {
    let settled = read.plus_millis(SETTLE_MS);
    if settled <= lot_time { settled } else { read.plus_millis(FIRST_MS).min(lot_time) }
}
