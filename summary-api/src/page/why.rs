//! Explanations on a page: in the lot's own time, and without the ids that stand beside them.

use std::collections::BTreeMap;

use matching::Explanation;
use matching::explanation::{Naming, first_sentence};
use maud::{Markup, html};
use parking::{EventKey, GateId, SessionId, Vehicle};

use super::listing;
use super::local::Local;
use super::words;
use crate::ledger::SessionRow;
use crate::service::story::Explained;
use crate::service::{Error, Service, Why};

/// Why each stay of a list stands as it does.
#[derive(Debug, Default)]
pub(super) struct Whys(BTreeMap<SessionId, Why>);

impl Whys {
    /// The explanations of a page of stays.
    pub(super) async fn of(service: &Service, rows: &[SessionRow]) -> Result<Self, Error> {
        let whys = service.whys(rows).await?;
        let known = rows.iter().zip(whys).filter_map(|(row, why)| Some((row.session.id, why?)));
        Ok(Self(known.collect()))
    }

    /// The first sentence of a stay's explanation, the nearest plate, and the way to all of it.
    pub(super) fn cell(&self, service: &Service, row: &SessionRow) -> Markup {
        let why = self.0.get(&row.session.id);
        let told = why.map(|why| text(service, &row.session.vehicle, &why.explanation, &|_| None));
        let sentence = told.as_deref().map(|told| first_sentence(told).0.to_owned());
        html! {
            (sentence.unwrap_or_else(|| words::why(row, &service.terms().rules))) " "
            @if let Some(near) = why.and_then(|why| why.near.as_ref()) {
                "Nearly the same plate, "
                (words::state(near.session.session.state)) ": "
                a.plate href=(listing::address(&near.session)) { (near.session.session.vehicle.plate) } ". "
            }
            a href={ (listing::address(row)) "#why" } { "Explain" span.hidden { " " (row.session.vehicle.plate) } }
        }
    }
}

/// An explanation as the page of the stay tells it.
pub(super) fn of(service: &Service, explained: &Explained) -> String {
    let gate = |key: &EventKey| explained.reads.iter().find(|read| read.key == *key).and_then(|read| read.gate.clone());
    text(service, &explained.event.vehicle, &explained.explanation, &gate)
}

fn text(
    service: &Service,
    vehicle: &Vehicle,
    explanation: &Explanation,
    gate: &dyn Fn(&EventKey) -> Option<GateId>,
) -> String {
    let local = Local::of(service, &vehicle.lot);
    let naming = Naming { gate, time: &|time| local.text(time, "%-d %b %Y, %H:%M:%S %Z"), has_ids: false };
    explanation.text(vehicle, &service.terms().rules, naming)
}
