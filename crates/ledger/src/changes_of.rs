//! Finds the changes to one session in the list of all changes, which has no index but its order.
//!
//! The list is in order of commit, and so approximately in order of recording time. A session changes when an event of
//! its vehicle is recorded, or when a hold or a stay ends; its row has the times of its first and last change. The
//! search therefore scans narrow windows around those times, then wider ones. It scans everything in between, and
//! finally the whole list, only if the changes found so far do not form a complete history.

use parking::{SessionId, Timestamp};

use super::{ChangeRow, EVENTS_OF_VEHICLE_MAX, Error, Ledger, SessionRow};

/// How far a change may be from its place in the order of time: a writer that waits for a disk or a lock commits later,
/// and the clocks of several summary APIs differ.
const NEAR_WINDOW_MS: i64 = 2_000;
/// How far a change may be from its place if a writer hangs.
const FAR_WINDOW_MS: i64 = 60_000;

/// Returns the changes to a session, in order.
pub(super) async fn changes_of<L: Ledger + ?Sized>(ledger: &L, id: SessionId) -> Result<Vec<ChangeRow>, Error> {
    let Some(row) = ledger.session(id).await? else { return Ok(Vec::new()) };
    let given = row.session.given_at();
    let events = ledger.vehicle_events(&row.session.vehicle, given, EVENTS_OF_VEHICLE_MAX).await?;
    let moments: Vec<Timestamp> = events.iter().map(|event| event.recorded_at).collect();
    let mut changes = Vec::new();
    for parts in searches(&row, &moments) {
        changes.clear();
        for (from, to) in parts {
            changes.extend(ledger.changes_between(id, from, to).await?);
        }
        changes.sort_unstable_by_key(|change| change.sequence);
        changes.dedup_by_key(|change| change.sequence);
        if is_whole(&changes, &row) {
            break;
        }
    }
    Ok(changes)
}

type Part = (Timestamp, Timestamp);

/// Returns the windows of recording time to scan, one search after the other.
fn searches(row: &SessionRow, moments: &[Timestamp]) -> [Vec<Part>; 4] {
    let (first, last) = (row.recorded_at, row.updated_at);
    let within = moments.iter().copied().filter(|moment| (first..=last).contains(moment));
    let mut moments: Vec<Timestamp> = within.chain([first, last]).collect();
    moments.sort_unstable();
    moments.dedup();
    let between = vec![(first.plus_millis(-FAR_WINDOW_MS), last.plus_millis(FAR_WINDOW_MS))];
    // After a clock was set back, changes can be far from their place.
    let everywhere = vec![(Timestamp::from_millis(i64::MIN), Timestamp::from_millis(i64::MAX))];
    [around(&moments, NEAR_WINDOW_MS), around(&moments, FAR_WINDOW_MS), between, everywhere]
}

/// Returns windows that reach this far to both sides of each time. Overlapping windows are merged.
fn around(moments: &[Timestamp], far_ms: i64) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for moment in moments {
        let (from, to) = (moment.plus_millis(-far_ms), moment.plus_millis(far_ms));
        match parts.last_mut() {
            Some((_, end)) if *end >= from => *end = to,
            _ => parts.push((from, to)),
        }
    }
    parts
}

/// Whether the changes are a complete history: it starts with a new session, each change continues the one before, and
/// one of them is the last change in the session's row.
fn is_whole(changes: &[ChangeRow], row: &SessionRow) -> bool {
    let begins = changes.first().is_some_and(|change| change.from.is_none());
    let follow = changes.windows(2).all(|pair| pair[1].from == Some(pair[0].to));
    let is_last = |change: &ChangeRow| change.recorded_at == row.updated_at && change.to == row.session.state;
    begins && follow && changes.iter().any(is_last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_touch_are_one() {
        let at = Timestamp::from_millis;
        let parts = around(&[at(0), at(15), at(40)], 10);
        assert_eq!(parts, [(at(-10), at(25)), (at(30), at(50))]);
    }
}
