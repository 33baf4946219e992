//! Rules that drop events, or send them to another lot, before they are published: `[[filters]]` of the lots file.
//!
//! The first rule that fits decides. A dropped event is answered as `filtered` with the rule's name, and counted; it is
//! not published and not stored.

use bytes::Bytes;
use parking::{GateEvent, GateId, LotId};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Drop,
    Redirect,
}

/// A rule as the lots file has it. What is not given fits every event.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Written {
    name: String,
    lot: Option<String>,
    gate: Option<String>,
    /// A pattern of the plate's normal form: `*` is any letters, `?` is one.
    plate: Option<String>,
    /// Events that are less sure than this. One that does not say how sure it is does not fit.
    confidence_below: Option<f32>,
    action: Action,
    /// Where `redirect` sends them.
    to_lot: Option<String>,
}

/// All rules, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filters(Vec<Filter>);

#[derive(Debug, Clone, PartialEq)]
struct Filter {
    name: String,
    lot: Option<LotId>,
    gate: Option<GateId>,
    plate: Option<Vec<char>>,
    confidence_below: Option<f32>,
    /// Without one, events are dropped.
    to_lot: Option<LotId>,
}

/// What the rules say of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision<'f> {
    /// No rule fits.
    Pass,
    /// The rule of this name drops it.
    Drop(&'f str),
    /// The rule of this name sends it to this lot.
    Redirect(&'f str, &'f LotId),
}

impl Filters {
    /// Checks the rules of a lots file.
    ///
    /// # Errors
    /// Which rule is wrong, and what is allowed.
    pub(crate) fn check(written: Vec<Written>) -> Result<Self, String> {
        written.into_iter().map(Filter::check).collect::<Result<_, _>>().map(Self)
    }

    /// What the first fitting rule says.
    pub(crate) fn decide(&self, event: &GateEvent) -> Decision<'_> {
        match self.0.iter().find(|filter| filter.fits(event)) {
            None => Decision::Pass,
            Some(Filter { name, to_lot: None, .. }) => Decision::Drop(name),
            Some(Filter { name, to_lot: Some(lot), .. }) => Decision::Redirect(name, lot),
        }
    }
}

impl Filter {
    fn check(written: Written) -> Result<Self, String> {
        let Written { name, lot, gate, plate, confidence_below, action, to_lot } = written;
        let wrong = |problem: String| format!("filter {name}: {problem}");
        let lot_of = |member: &str, lot: Option<String>| {
            let parsed = lot.map(|lot| LotId::parse(&lot)).transpose();
            parsed.map_err(|problem| wrong(format!("{member} {problem}")))
        };
        let (lot, to_lot) = (lot_of("lot", lot)?, lot_of("to_lot", to_lot)?);
        let gate = gate.map(|gate| GateId::parse(&gate)).transpose();
        let gate = gate.map_err(|problem| wrong(format!("gate {problem}")))?;
        if (action == Action::Redirect) != to_lot.is_some() {
            return Err(wrong("to_lot belongs to the action \"redirect\", which needs it".to_owned()));
        }
        if confidence_below.is_some_and(|bound| !(0.0..=1.0).contains(&bound)) {
            return Err(wrong("confidence_below is not a number from 0 to 1".to_owned()));
        }
        if lot.is_none() && gate.is_none() && plate.is_none() && confidence_below.is_none() {
            return Err(wrong("says of no lot, gate, plate or confidence_below: it would fit every event".to_owned()));
        }
        let plate = plate.map(|pattern| pattern.to_uppercase().chars().collect());
        Ok(Self { name, lot, gate, plate, confidence_below, to_lot })
    }

    fn fits(&self, event: &GateEvent) -> bool {
        let plate = || event.vehicle.plate.as_str().chars().collect::<Vec<_>>();
        self.lot.as_ref().is_none_or(|lot| *lot == event.vehicle.lot)
            && self.gate.as_ref().is_none_or(|gate| Some(gate) == event.gate.as_ref())
            && self.confidence_below.is_none_or(|bound| event.confidence.is_some_and(|confidence| confidence < bound))
            && self.plate.as_ref().is_none_or(|pattern| is_like(pattern, &plate()))
    }
}

/// Whether a text is like a pattern with `*` and `?`. A text is short, so each pair is looked at once.
fn is_like(pattern: &[char], text: &[char]) -> bool {
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for wanted in pattern {
        let mut before = std::mem::take(&mut fits[0]);
        fits[0] = before && *wanted == '*';
        for place in 1..=text.len() {
            let is_one = *wanted == '?' || *wanted == text[place - 1];
            let next = if *wanted == '*' { fits[place] || fits[place - 1] } else { before && is_one };
            before = std::mem::replace(&mut fits[place], next);
        }
    }
    fits[text.len()]
}

/// The same event with another lot.
pub(crate) fn redirected(json: &[u8], lot: &LotId) -> Bytes {
    let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(json) else {
        return Bytes::copy_from_slice(json);
    };
    members.insert("lot_id".to_owned(), Value::from(lot.as_str()));
    Value::Object(members).to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(toml: &str) -> Result<Filters, String> {
        #[derive(Deserialize)]
        struct File {
            filters: Vec<Written>,
        }
        Filters::check(toml::from_str::<File>(toml).map_err(|error| error.to_string())?.filters)
    }

    fn event(plate: &str, lot: &str, confidence: f32) -> GateEvent {
        let json = format!(
            r#"{{"id":"9b810e76-6ec9-4286-a3ca-828dd5f4b3b2","vehicle_plate":"{plate}","lot_id":"{lot}","gate_id":"in-1","confidence":{confidence},"entry_date_time":"2024-09-24T09:00:00Z"}}"#
        );
        parking::wire::parse_event(json.as_bytes()).unwrap().event
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let filters = filters(
            "[[filters]]\nname = \"own\"\nplate = \"own*\"\naction = \"drop\"\n\
             [[filters]]\nname = \"unsure\"\nlot = \"P3\"\nconfidence_below = 0.5\naction = \"drop\"\n\
             [[filters]]\nname = \"moved\"\nlot = \"P3\"\ngate = \"in-1\"\naction = \"redirect\"\nto_lot = \"P4\"\n",
        )
        .unwrap();
        assert_eq!(filters.decide(&event("OWN-77", "P9", 0.9)), Decision::Drop("own"));
        assert_eq!(filters.decide(&event("AB1", "P3", 0.4)), Decision::Drop("unsure"));
        let lot = LotId::parse("P4").unwrap();
        assert_eq!(filters.decide(&event("AB1", "P3", 0.9)), Decision::Redirect("moved", &lot));
        assert_eq!(filters.decide(&event("AB1", "P9", 0.4)), Decision::Pass);
        let moved = redirected(br#"{"a":1,"lot_id":"P3"}"#, &lot);
        assert_eq!(moved, r#"{"a":1,"lot_id":"P4"}"#);
    }

    #[test]
    fn patterns_have_stars_and_question_marks() {
        let like = |pattern: &str, text: &str| {
            is_like(&pattern.chars().collect::<Vec<_>>(), &text.chars().collect::<Vec<_>>())
        };
        for (pattern, text) in [("*", ""), ("A*", "A"), ("A*Z", "ABCZ"), ("?B?", "ABC"), ("*1*2*", "X1Y2"), ("", "")] {
            assert!(like(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("?", ""), ("A", "AB"), ("A*Z", "ABC"), ("?B?", "AB"), ("*1*2*", "2X1")] {
            assert!(!like(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_wrong_rule_is_named() {
        let problem = |more: &str| filters(&format!("[[filters]]\nname = \"x\"\n{more}")).unwrap_err();
        assert!(problem("action = \"drop\"").starts_with("filter x: says of no lot"));
        assert!(problem("lot = \"P3\"\naction = \"redirect\"").starts_with("filter x: to_lot"));
        assert!(problem("lot = \"P 3\"\naction = \"drop\"").starts_with("filter x: lot is not"));
        assert!(problem("confidence_below = 2.0\naction = \"drop\"").starts_with("filter x: confidence_below"));
    }
}
