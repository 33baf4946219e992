//! The explanation as text for people: the reads, the rule, and the event that would change the session.

use parking::{EventKey, GateId, LotId, Rules, State, Timestamp};

use super::{Cause, Explanation, Passage};
use crate::limits::Limits;

/// How a text names events and times.
#[derive(Clone, Copy)]
pub struct Naming<'a> {
    /// The gate that read an event, if known.
    pub gate: &'a dyn Fn(&EventKey) -> Option<GateId>,
    /// Formats a time.
    pub time: &'a dyn Fn(Timestamp) -> String,
    /// Whether the text contains event ids.
    pub has_ids: bool,
}

impl<'a> Naming<'a> {
    /// Times as in the API, and ids: for programs, and for people who continue with them.
    pub fn in_full(gate: &'a dyn Fn(&EventKey) -> Option<GateId>) -> Self {
        Self { gate, time: &|time| time.to_string(), has_ids: true }
    }
}

impl std::fmt::Debug for Naming<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Naming").field("has_ids", &self.has_ids).finish_non_exhaustive()
    }
}

/// Splits off the first sentence. A gate's name may end with a dot, too, but only a sentence begins with a capital
/// letter.
pub fn first_sentence(text: &str) -> (&str, &str) {
    let is_end = |index: &usize| text[index + 2..].starts_with(char::is_uppercase);
    let end = text.match_indices(". ").map(|(index, _)| index).find(is_end);
    end.map_or((text, ""), |end| (&text[..=end], &text[end + 2..]))
}

impl Explanation {
    /// One to three sentences without a plate.
    pub fn text(&self, lot: &LotId, rules: &Rules, naming: Naming<'_>) -> String {
        let limits = Limits::of(rules, lot);
        let words = Words { explanation: self, limits, hold_ms: rules.hold_ms, naming };
        let text = words.why();
        if self.is_re_read() { format!("{} {text}", words.re_read()) } else { text }
    }
}

struct Words<'a> {
    explanation: &'a Explanation,
    limits: Limits,
    hold_ms: i64,
    naming: Naming<'a>,
}

impl Words<'_> {
    fn why(&self) -> String {
        let Explanation { passage, before, after, entry, exit, cause, .. } = self.explanation;
        let representative = self.read(&passage.representative);
        let longest = duration(self.limits.max_stay_ms);
        let neighbour = |passage: &Option<Passage>| passage.as_ref().map(|passage| passage.representative);
        let (before, after) = (neighbour(before), neighbour(after));
        let last_exit = (self.naming.time)(passage.representative.time.plus_millis(self.limits.max_stay_ms));
        match (cause, before, after) {
            (Cause::Matched, _, _) => self.matched(entry.as_ref(), exit.as_ref()),
            (Cause::Inside, _, _) => capitalized(&format!(
                "{representative} is the newest read of the vehicle, which so counts as inside. An exit up to {last_exit} \
                 matches it."
            )),
            (Cause::ReEntered, _, Some(next)) => capitalized(&format!(
                "{representative} is followed by {}: the exit between them was missed, and no stay is made up. {} that still \
                 arrives matches it.",
                self.read(&next),
                if next.time.millis_since(passage.representative.time) > self.limits.max_stay_ms {
                    format!("An exit up to {last_exit}")
                } else {
                    "An exit between the two".to_owned()
                }
            )),
            (Cause::ExitTooLate, _, Some(next)) => capitalized(&format!(
                "{representative} is followed by {}, but {} later, and the longest stay here is {longest}. An exit up to \
                 {last_exit} that still arrives matches it.",
                self.read(&next),
                duration(next.time.millis_since(passage.representative.time))
            )),
            (Cause::NoExit | Cause::ReEntered | Cause::ExitTooLate, _, _) => format!(
                "No exit came within the longest stay here, {longest}, after {representative}, on the time of its lot. An exit up \
                 to {last_exit} that still arrives matches it."
            ),
            (Cause::EntryTaken(taken), Some(other), _) => capitalized(&format!(
                "{representative} follows {}, which took {}: between the two exits no entry is known. {}",
                self.read(&other),
                self.read(taken),
                self.without_entry(&self.entry_behind(&other))
            )),
            (Cause::ExitBefore, Some(other), _) => capitalized(&format!(
                "{representative} follows {}, which has no entry either: between the two exits no entry is known. {}",
                self.read(&other),
                self.without_entry(&self.entry_behind(&other))
            )),
            (Cause::EntryTooOld, Some(entered), _) => capitalized(&format!(
                "{representative} follows {}, but {} later, and the longest stay here is {longest}. {}",
                self.read(&entered),
                duration(passage.representative.time.millis_since(entered.time)),
                self.without_entry(&self.entry_in_time())
            )),
            (Cause::NothingBefore | Cause::EntryTaken(_) | Cause::ExitBefore | Cause::EntryTooOld, _, _) => format!(
                "Nothing is known of the vehicle before {representative}: its entry was missed, was read as another plate, or \
                 has not arrived yet. {}",
                self.without_entry(&self.entry_in_time())
            ),
            (Cause::Unread, _, _) => capitalized(&format!(
                "{representative} has a plate that says that nothing was read: such events are never paired."
            )),
            (Cause::Superseded, _, _) => capitalized(&format!(
                "{representative} is superseded by another read of its gate, so it counts as not having happened."
            )),
        }
    }

    fn matched(&self, entry: Option<&EventKey>, exit: Option<&EventKey>) -> String {
        let (Some(entry), Some(exit)) = (entry, exit) else { return String::new() };
        capitalized(&format!(
            "{} directly follows {}, {} later and within the longest stay here, {}: the two are one stay. A read between \
             them that still arrives would part them.",
            self.read(exit),
            self.read(entry),
            duration(exit.time.millis_since(entry.time)),
            duration(self.limits.max_stay_ms)
        ))
    }

    /// What would still match an unmatched exit.
    fn without_entry(&self, needed: &str) -> String {
        let hold = duration(self.hold_ms);
        if self.explanation.state == State::HeldExit {
            format!("It is held for {hold} from when it was recorded; {needed} matches it, then or later.")
        } else {
            format!("Its hold of {hold} has ended; {needed} that still arrives matches it.")
        }
    }

    fn entry_in_time(&self) -> String {
        let exited = self.explanation.passage.representative.time;
        format!("an entry from {} on", (self.naming.time)(exited.plus_millis(self.limits.max_stay_ms.saturating_neg())))
    }

    /// The entries that would match an exit that follows another exit.
    fn entry_behind(&self, other: &EventKey) -> String {
        if self.explanation.passage.representative.time.millis_since(other.time) > self.limits.max_stay_ms {
            self.entry_in_time()
        } else {
            "an entry between the two exits".to_owned()
        }
    }

    fn re_read(&self) -> String {
        let Explanation { event, passage, .. } = self.explanation;
        capitalized(&format!(
            "{} is a re-read: it is of one passage with {}, whose reads are at most {} apart.",
            self.read(event),
            self.read(&passage.representative),
            duration(self.limits.re_read_window_ms)
        ))
    }

    fn read(&self, key: &EventKey) -> String {
        let at = (self.naming.gate)(key).map_or_else(String::new, |gate| format!(" at {gate}"));
        let id = if self.naming.has_ids { format!(" (event {})", key.id) } else { String::new() };
        format!("the {} of {}{at}{id}", key.direction.as_str(), (self.naming.time)(key.time))
    }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A duration in its own units: `1h 47m 12s`, `30d`, `2.5s`.
fn duration(millis: i64) -> String {
    let mut parts = Vec::new();
    let mut rest = millis;
    for (unit, length) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)] {
        if rest >= length {
            parts.push(format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if rest != 0 || parts.is_empty() {
        let decimals = if rest % 1_000 == 0 { String::new() } else { format!(".{:03}", (rest % 1_000).abs()) };
        parts.push(format!("{}{}s", rest / 1_000, decimals.trim_end_matches('0')));
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_the_units_that_it_needs() {
        let told = [0, 10_000, 2_500, 6_432_000, 2_592_000_000, 90_061_001].map(duration);
        assert_eq!(told, ["0s", "10s", "2.5s", "1h 47m 12s", "30d", "1d 1h 1m 1.001s"]);
    }
}
