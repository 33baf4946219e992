//! An explanation for a person, on one screen.

use std::fmt::Write as _;

use api::{EventView, ExplanationView, ExplanationsView, ReceiptView, SessionChangeView, SessionView};
use parking::readable::human_duration;
use parking::{Timestamp, printable};

/// The maximum width of a line, columns.
const LINE_COLUMNS_MAX: usize = 100;
/// The width of the names before a part, columns.
const MARGIN_COLUMNS: usize = 9;
/// The number of reads shown before and after the event.
const NEIGHBOUR_READS_MAX: usize = 4;
/// The maximum of changes shown, the newest ones.
const CHANGES_SHOWN_MAX: usize = 8;

/// All explanations one after the other, then the subjects without one.
pub(super) fn of_all(answer: &ExplanationsView) -> String {
    let explained = answer.explanations.iter().map(one);
    explained.chain(answer.saved.iter().map(saved)).collect::<Vec<_>>().join("\n")
}

fn saved(session: &SessionView) -> String {
    let mut screen = String::new();
    part(&mut screen, "session", [&session_line(session)]);
    part(&mut screen, "why", [&"A client saved this stay as it is: it rests on no events.".to_owned()]);
    screen
}

fn one(explanation: &ExplanationView) -> String {
    let ExplanationView { event, session, text, .. } = explanation;
    let mut screen = String::new();
    part(&mut screen, "event", [&headline(event), &arrival(event), &way(event)]);
    let of_session = session.as_ref().map_or_else(|| explanation.session_id.to_string(), session_line);
    part(&mut screen, "session", [&of_session]);
    part(&mut screen, "why", wrapped(text).iter());
    part(&mut screen, "reads", reads(explanation).iter());
    part(&mut screen, "changes", changes(&explanation.changes).iter());
    part(&mut screen, "near", near(explanation).iter());
    screen
}

fn part<'a>(screen: &mut String, name: &str, lines: impl IntoIterator<Item = &'a String>) {
    for (number, line) in lines.into_iter().enumerate() {
        let name = if number == 0 { name } else { "" };
        writeln!(screen, "{name:<MARGIN_COLUMNS$}{}", printable::one_line(line))
            .expect("a string takes all that is written");
    }
}

fn headline(event: &EventView) -> String {
    let EventView { direction, date_time, lot_id, vehicle_plate, plate_as_read, .. } = event;
    let gate = event.gate_id.as_ref().map_or_else(String::new, |gate| format!(" at {gate}"));
    let read = if plate_as_read == vehicle_plate { String::new() } else { format!(", read as {plate_as_read:?}") };
    let sure = event.confidence.map_or_else(String::new, |sure| format!(", confidence {sure}"));
    let plate = if vehicle_plate.is_empty() { "no plate".to_owned() } else { format!("plate {vehicle_plate}") };
    format!("{direction} {date_time}{gate}, lot {lot_id}, {plate}{read}{sure}")
}

fn arrival(event: &EventView) -> String {
    let late = match between(&event.date_time, &event.received_at) {
        Some(millis) if millis >= 0 => format!(", {} after the vehicle was seen", human_duration(millis)),
        Some(millis) => format!(", {} before its own time: a clock is wrong", human_duration(-millis)),
        None => String::new(),
    };
    format!("id {}, received {}{late}", event.event_id, event.received_at)
}

/// How the event came in, and when it was recorded.
fn way(event: &EventView) -> String {
    let came = match &event.receipt {
        None => "how it came in is unknown".to_owned(),
        Some(ReceiptView { door, format, received_at }) => {
            let format = format.as_ref().map_or_else(String::new, |format| format!(" as {format}"));
            let at = received_at.as_deref().unwrap_or("at an unknown time");
            format!("came in by {door}{format} {at}")
        }
    };
    format!("{came}, recorded {}", event.recorded_at)
}

/// Milliseconds from one time to another.
fn between(from: &str, to: &str) -> Option<i64> {
    Some(Timestamp::parse_rfc3339(to).ok()?.millis_since(Timestamp::parse_rfc3339(from).ok()?))
}

fn session_line(session: &SessionView) -> String {
    let reason = session.reason.as_ref().map_or_else(String::new, |reason| format!(" ({reason})"));
    let dwell = session.dwell_seconds.map_or_else(String::new, |dwell| format!(", {}", human_duration(dwell.millis)));
    format!("{}{reason}{dwell}, id {}", session.state, session.session_id)
}

/// The reads around the event, which is marked.
fn reads(explanation: &ExplanationView) -> Vec<String> {
    let ExplanationView { event, reads, .. } = explanation;
    let is_it = |read: &&EventView| read.event_id == event.event_id && read.date_time == event.date_time;
    let index = reads.iter().position(|read| is_it(&read)).unwrap_or(0);
    let first = index.saturating_sub(NEIGHBOUR_READS_MAX);
    let shown = &reads[first..reads.len().min(index + NEIGHBOUR_READS_MAX + 1)];
    let gate = |read: &EventView| read.gate_id.clone().unwrap_or_else(|| "-".to_owned());
    let width = shown.iter().map(|read| gate(read).chars().count()).max().unwrap_or(0);
    let line = |read: &EventView| {
        let mark = if is_it(&read) { '>' } else { ' ' };
        format!("{mark} {}  {:<5}  {:<width$}  {}", read.date_time, read.direction, gate(read), read.event_id)
    };
    shown.iter().map(line).collect()
}

fn changes(changes: &[SessionChangeView]) -> Vec<String> {
    let line = |change: &SessionChangeView| {
        let from = change.from_state.as_deref().unwrap_or("new");
        let rule = change.rule.as_deref().unwrap_or("saved");
        format!("  {}  {from} -> {}, rule {rule}, session {}", change.recorded_at, change.to_state, change.session_id)
    };
    changes[changes.len().saturating_sub(CHANGES_SHOWN_MAX)..].iter().map(line).collect()
}

fn near(explanation: &ExplanationView) -> Vec<String> {
    let ExplanationView { near_plates, near_searched, near_is_cut, .. } = explanation;
    if *near_searched == 0 && near_plates.is_empty() {
        return Vec::new();
    }
    let more = if *near_is_cut { ", the nearest in time of more" } else { "" };
    let mut lines = vec![match near_plates.len() {
        0 => format!("no similar plate among {near_searched} sessions that may fit{more}"),
        _ => format!("similar plates, among {near_searched} sessions that may fit{more}:"),
    }];
    lines.extend(near_plates.iter().map(|near| {
        let SessionView { vehicle_plate, state, session_id, entry_date_time, exit_date_time, .. } = &near.session;
        let time = entry_date_time.as_ref().or(exit_date_time.as_ref()).map_or("", String::as_str);
        format!("  {vehicle_plate:<8}  {} off  {state} {time}  session {session_id}", near.distance)
    }));
    lines
}

fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 0 && MARGIN_COLUMNS + line + 1 + word.chars().count() > LINE_COLUMNS_MAX {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            let space = if line.is_empty() { "" } else { " " };
            line.push_str(space);
            line.push_str(word);
        }
    }
    lines
}
