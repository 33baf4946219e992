//! Texts for states, reasons and durations, and the marks of states.
//!
//! Each mark has its own shape, so that nothing depends on colour alone.

use maud::{Markup, Render, html};
use parking::{Reason, Rules, Source, State};
use sessions::{SeenPlate, SeenSession};

/// A number with separated thousands, and a duration in its two largest units.
pub(super) use parking::readable::{grouped as number, spaced_duration as length};

/// The shapes, in a view box of 12 by 12.
const BAR: &str = "M1 3.5h10v5H1z";
const ARROW: &str = "M1 3.5h5.5V1L11.5 6 6.5 11V8.5H1z";
const CIRCLE: &str = "M6 1.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 1 0 0-9.6z";
const TRIANGLE: &str = "M6 1L11.5 11H.5z";
const DIAMOND: &str = "M6 .3L11.7 6 6 11.7.3 6z";
const CROSS: &str = "M2.4 1L6 4.6 9.6 1 11 2.4 7.4 6 11 9.6 9.6 11 6 7.4 2.4 11 1 9.6 4.6 6 1 2.4z";
const TICK: &str = "M1 6.2L2.6 4.6 4.8 6.8 9.6 2 11.2 3.6 4.8 10z";
const EXCLAMATION: &str = "M4.8 1h2.4L6.8 7.6H5.2zM4.9 9h2.2v2H4.9z";

/// An icon beside a word, hidden from screen readers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Mark {
    State(State),
    Good,
    Warn,
    Bad,
}

impl Mark {
    const fn shape(self) -> &'static str {
        match self {
            Self::State(state) => shape(state),
            Self::Good => TICK,
            Self::Warn => EXCLAMATION,
            Self::Bad => CROSS,
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::State(state) => class(state),
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

impl Render for Mark {
    fn render(&self) -> Markup {
        html! {
            svg.mark.(self.class()) viewBox="0 0 12 12" aria-hidden="true" { path d=(self.shape()) {} }
        }
    }
}

/// The shape that stands for a state.
pub(super) const fn shape(state: State) -> &'static str {
    match state {
        State::Matched => BAR,
        State::Open => ARROW,
        State::HeldExit => CIRCLE,
        State::UnmatchedExit => TRIANGLE,
        State::UnmatchedEntry => DIAMOND,
        State::Void => CROSS,
    }
}

/// The class that gives a state its colour.
pub(super) const fn class(state: State) -> &'static str {
    match state {
        State::Matched => "matched",
        State::Open => "open",
        State::HeldExit => "held",
        State::UnmatchedExit => "no-entry",
        State::UnmatchedEntry => "no-exit",
        State::Void => "void",
    }
}

/// A state in a word or two.
pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Matched => "matched",
        State::Open => "open",
        State::HeldExit => "held exit",
        State::UnmatchedExit => "unmatched exit",
        State::UnmatchedEntry => "unmatched entry",
        State::Void => "void",
    }
}

/// A state with its mark.
pub(super) fn pill(of: State) -> Markup {
    html! { span.pill.(class(of)) { (Mark::State(of)) (state(of)) } }
}

/// A plate, or `unread`.
pub(super) fn plate(plate: &SeenPlate) -> &str {
    if plate.is_empty() { "unread" } else { plate.as_str() }
}

/// Why a session has its state, in one sentence, as far as its row shows it.
pub(super) fn why(session: &SeenSession, rules: &Rules) -> String {
    match (session.state, session.reason) {
        (State::Matched, _) if session.source == Source::Summary => "A client saved this stay as it is.".to_owned(),
        (State::Matched, _) => "The exit directly follows the entry.".to_owned(),
        (State::Open, _) => "The vehicle entered and has not left: it is inside.".to_owned(),
        (State::HeldExit, _) => {
            format!(
                "No entry matches this exit yet. It is held for {}, in case its entry arrives late.",
                length(rules.hold_ms)
            )
        }
        (State::UnmatchedExit | State::UnmatchedEntry, Some(Reason::Unread)) => {
            "The camera saw a vehicle but read no plate, so it is never matched.".to_owned()
        }
        (State::UnmatchedExit, _) => "No entry matches this exit.".to_owned(),
        (State::UnmatchedEntry, Some(Reason::ReEntered)) => {
            "The vehicle entered again before any exit was seen: its exit was missed, or read differently.".to_owned()
        }
        (State::UnmatchedEntry, _) => {
            format!("No exit came within the longest stay, {}.", length(rules.max_stay_of(&session.lot)))
        }
        (State::Void, _) => "A later event moved this session's events to another session.".to_owned(),
    }
}

/// The number of held exits and how long they are held at most; `None` without held exits.
pub(super) fn held(exits: u64, rules: &Rules) -> Option<String> {
    let wait = if exits == 1 { "exit waits for its entry" } else { "exits wait for their entry" };
    (exits > 0).then(|| format!("{} {wait} (held up to {})", number(exits), length(rules.hold_ms)))
}

/// A number with its name and a note, for a list of figures.
pub(super) fn figure(id: &str, name: &str, value: &dyn Render, note: &dyn Render) -> Markup {
    html! {
        div.figure #{ "figure-" (id) } {
            dt { (name) }
            dd.value { (value) }
            dd.note { (note) }
        }
    }
}

/// A figure whose value leads to the list behind it.
pub(super) fn linked_figure(id: &str, name: &str, value: u64, note: &dyn Render, list: &str) -> Markup {
    html! {
        div.figure #{ "figure-" (id) } {
            dt { (name) }
            dd.value { (count(value, list)) }
            dd.note { (note) }
        }
    }
}

/// A number that leads to the list behind it.
pub(super) fn count(value: u64, list: &str) -> Markup {
    html! { a.count href=(list) { (number(value)) } }
}

/// A delay, with milliseconds below a minute.
pub(super) fn delay(millis: i64) -> String {
    let (sign, millis) = (if millis < 0 { "−" } else { "" }, millis.saturating_abs());
    if millis < 60_000 {
        format!("{sign}{}.{:03} s", millis / 1_000, millis % 1_000)
    } else {
        format!("{sign}{}", length(millis))
    }
}

/// A duration for statistics: rounded to the minute from ten minutes on.
pub(super) fn about(millis: i64) -> String {
    const MINUTE_MS: i64 = 60_000;
    let is_long = millis >= 10 * MINUTE_MS;
    length(if is_long { (millis + MINUTE_MS / 2) / MINUTE_MS * MINUTE_MS } else { millis })
}

/// A part of a whole in per cent with one decimal; `None` if the whole is zero.
pub(super) fn share(part: u64, whole: u64) -> Option<String> {
    let per_mille = (u128::from(part) * 2_000 + u128::from(whole)).checked_div(u128::from(whole) * 2)?;
    Some(format!("{}.{} %", per_mille / 10, per_mille % 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_shares_read_as_people_write_them() {
        assert_eq!([599_000, 629_000, 631_000].map(about), ["9 min 59 s", "10 min", "11 min"]);
        assert_eq!([0, 1_250, -80, 3_600_000].map(delay), ["0.000 s", "1.250 s", "−0.080 s", "1 h"]);
        assert_eq!(share(0, 0), None);
        assert_eq!(
            [(0, 3), (1, 3), (2, 3), (3, 3)].map(|(part, whole)| share(part, whole).unwrap()),
            ["0.0 %", "33.3 %", "66.7 %", "100.0 %"]
        );
    }
}
