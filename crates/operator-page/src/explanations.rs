//! Explanations on a page: in the lot's own time, and without ids, which the page shows elsewhere.

use std::collections::BTreeMap;

use matching::Explanation;
use matching::explanation::{Naming, first_sentence};
use maud::{Markup, html};
use parking::{EventKey, GateId, LotId, Timestamp};
use sessions::story::Explained;
use sessions::{Error, ScopedService, SeenSession, SessionExplanation};
use uuid::Uuid;

use super::links;
use super::local::Local;
use super::text;

/// The explanation of each stay of a list.
#[derive(Debug, Default)]
pub(super) struct Explanations(BTreeMap<Uuid, SessionExplanation>);

impl Explanations {
    /// The explanations of a page of stays.
    pub(super) async fn of(service: &ScopedService, rows: &[SeenSession]) -> Result<Self, Error> {
        let explanations = service.session_explanations(rows).await?;
        let known = rows.iter().zip(explanations).filter_map(|(row, one)| Some((row.id, one?)));
        Ok(Self(known.collect()))
    }

    /// The first sentence of a stay's explanation, the most similar plate, and a link to the whole explanation.
    pub(super) fn cell(&self, service: &ScopedService, row: &SeenSession) -> Markup {
        let explained = self.0.get(&row.id);
        let text = explained.map(|one| LocalExplanation::new(service, &row.lot, &one.explanation, &|_| None));
        html! {
            @if let Some(text) = &text { (text.first_sentence()) } @else { (text::why(row, &service.rules())) }
            " "
            @if let Some(near) = explained.and_then(|one| one.near.as_ref()) {
                "Similar plate, "
                (text::state(near.session.state)) ": "
                a.plate href=(links::address(&near.session)) { (near.session.plate) } ". "
            }
            a href={ (links::address(row)) "#why" } { "Explain" span.hidden { " " (text::plate(&row.plate)) } }
        }
    }
}

/// Encloses the milliseconds of a moment in the text of an explanation. Gates and plates never contain this character.
const MOMENT: char = '\u{1}';

/// An explanation with its times in the lot's time zone.
#[derive(Debug)]
pub(super) struct LocalExplanation {
    local: Local,
    text: String,
}

impl LocalExplanation {
    /// The explanation for the page of the stay.
    pub(super) fn of(service: &ScopedService, explained: &Explained) -> Self {
        let gate =
            |key: &EventKey| explained.reads.iter().find(|read| read.key == *key).and_then(|read| read.gate.clone());
        Self::new(service, &explained.event.lot, &explained.explanation, &gate)
    }

    fn new(
        service: &ScopedService,
        lot: &LotId,
        explanation: &Explanation,
        gate: &dyn Fn(&EventKey) -> Option<GateId>,
    ) -> Self {
        let time = |time: Timestamp| format!("{MOMENT}{}{MOMENT}", time.as_millis());
        let naming = Naming { gate, time: &time, has_ids: false };
        let text = explanation.text(lot, &service.rules(), naming);
        Self { local: Local::of(service, lot), text }
    }

    pub(super) fn first_sentence(&self) -> Markup {
        self.markup(first_sentence(&self.text).0)
    }

    /// The text after the first sentence, if there is any.
    pub(super) fn rest(&self) -> Option<Markup> {
        let rest = first_sentence(&self.text).1;
        (!rest.is_empty()).then(|| self.markup(rest))
    }

    pub(super) fn whole(&self) -> Option<Markup> {
        (!self.text.is_empty()).then(|| self.markup(&self.text))
    }

    fn markup(&self, text: &str) -> Markup {
        html! {
            @for (place, part) in text.split(MOMENT).enumerate() {
                @match part.parse().ok().filter(|_| place % 2 == 1) {
                    Some(millis) => (self.local.moment_in_sentence(Timestamp::from_millis(millis))),
                    None => (part),
                }
            }
        }
    }
}
