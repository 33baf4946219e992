//! A change as a line for people.

use std::fmt::Write as _;

use api::ChangeView;
use parking::printable;
use parking::readable::human_duration;

/// Appends the line, without its end.
pub(super) fn append(change: &ChangeView, lines: &mut String) {
    lines.push_str(&printable::one_line(&of(change)));
}

fn of(change: &ChangeView) -> String {
    let mut line = String::new();
    let session = &change.session;
    let ChangeView { recorded_at, to_state, .. } = change;
    // A plate without a letter or digit is unread.
    let plate = if session.vehicle_plate.is_empty() { "–" } else { &session.vehicle_plate };
    let written = write!(line, "{recorded_at}  {:<12}  {plate:<10}  {to_state:<15}", session.lot_id);
    written.expect("a string takes everything");
    let mut add = |text: &str| {
        line.push_str("  ");
        line.push_str(text);
    };
    // The session may have changed again since this change.
    let dwell = session.dwell_seconds.filter(|_| to_state == "matched");
    if let Some(dwell) = dwell {
        add(&human_duration(dwell.millis));
    }
    if let Some(entry) = &session.entry_date_time {
        add(&format!("entry {entry}"));
    }
    if let Some(exit) = session.exit_date_time.as_ref().filter(|_| to_state != "open") {
        add(&format!("exit {exit}"));
    }
    if let Some(reason) = session.reason.as_ref().filter(|_| to_state.starts_with("unmatched")) {
        add(reason);
    }
    if let Some(before) = &change.from_state {
        add(&format!("was {before}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(from: Option<&str>, to: &str, reason: Option<&str>) -> String {
        let change = json!({
            "sequence": 7, "session_id": "01922381-3500-8abc-8def-0123456789ab", "from_state": from, "to_state": to,
            "rule": null, "vehicle_version": 3, "recorded_at": "2024-09-24T10:47:13.000Z",
            "session": {
                "session_id": "01922381-3500-8abc-8def-0123456789ab", "lot_id": "P3", "vehicle_plate": "ABC123",
                "entry_event_id": null, "entry_date_time": "2024-09-24T09:00:00.000Z",
                "exit_event_id": null, "exit_date_time": "2024-09-24T10:47:12.000Z", "dwell_seconds": 6432,
                "state": "matched", "reason": reason, "source": "events", "entry_gate_id": null, "exit_gate_id": null,
                "superseded_by": null, "recorded_at": "2024-09-24T09:00:00.000Z", "updated_at": "2024-09-24T09:00:00.000Z"
            }
        });
        let mut line = String::new();
        append(&serde_json::from_value(change).unwrap(), &mut line);
        line
    }

    #[test]
    fn a_line_says_what_the_change_did() {
        let begin = "2024-09-24T10:47:13.000Z  P3            ABC123      ";
        let (entry, exit) = ("entry 2024-09-24T09:00:00.000Z", "exit 2024-09-24T10:47:12.000Z");
        assert_eq!(
            line(Some("open"), "matched", None),
            format!("{begin}matched          1h47m  {entry}  {exit}  was open")
        );
        assert_eq!(line(None, "open", None), format!("{begin}open             {entry}"));
        assert_eq!(
            line(Some("open"), "unmatched_entry", Some("re_entered")),
            format!("{begin}unmatched_entry  {entry}  {exit}  re_entered  was open")
        );
    }
}
