//! What the script keeps in sight until a person dismisses it: overstays, and gates that have gone silent.
//!
//! The script asks for the notices of now, and names those that it still shows; the answer has both, with their texts. So
//! a browser stores only keys, which hold ids of sessions and names of gates, and no plate. A key that the person may not
//! see has no notice.

use std::collections::BTreeSet;

use api::questions::session_list::{self, SessionListParameters};
use api::{Form, Problem, Scoped};
use axum::response::{IntoResponse as _, Response};
use chrono_tz::Tz;
use maud::{Markup, html};
use parking::{State, Timestamp};
use sessions::gates::GateStatus;
use sessions::{LotStatus, ScopedService, SeenSession};
use uuid::Uuid;

use super::gates::SILENT_MS;
use super::layout::FRAGMENT_HEADERS;
use super::links;
use super::local::Local;
use super::text::{self, Mark};

/// How many of the newest overstays are notices.
const OVERSTAYS_MAX: u32 = 20;
/// How many notices the script may keep.
const KEPT_MAX: usize = 100;

api::parameters! {
    pub(super) struct NoticeParameters {
        kept: Vec<Key> = keys;
    }
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Key {
    /// The session of an overstay.
    Overstay(Uuid),
    /// A gate, by lot and name, and its last event, milliseconds.
    Silence { gate: String, last_ms: i64 },
}

impl Key {
    fn text(&self) -> String {
        match self {
            Self::Overstay(session) => format!("overstay@{session}"),
            Self::Silence { gate, last_ms } => format!("{gate}@{last_ms}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text.rsplit_once('@')? {
            ("overstay", session) => Uuid::try_parse(session).ok().map(Self::Overstay),
            (gate, last_ms) => Some(Self::Silence { gate: gate.to_owned(), last_ms: last_ms.parse().ok()? }),
        }
    }
}

/// Parses the keys; those of another version of the page are left out.
fn keys(values: &[&str]) -> Result<Vec<Key>, String> {
    if values.len() > KEPT_MAX {
        return Err(format!("is given {} times; at most {KEPT_MAX} are answered", values.len()));
    }
    Ok(values.iter().filter_map(|value| Key::parse(value)).collect())
}

pub(super) async fn notices(
    Scoped(service): Scoped,
    Form(NoticeParameters { kept }): Form<NoticeParameters>,
) -> Result<Response, Problem> {
    let asked =
        SessionListParameters { overstay: true, limit: Some(OVERSTAYS_MAX), ..SessionListParameters::default() };
    let now = session_list::page(&service, &asked).await?.rows;
    let ids: BTreeSet<Uuid> = now.iter().map(|row| row.id).collect();
    let further = kept.iter().filter_map(|key| if let Key::Overstay(id) = key { Some(*id) } else { None });
    let further: Vec<Uuid> = further.filter(|id| !ids.contains(id)).collect();
    let (further, lots) = tokio::try_join!(service.sessions_by_id(&further), service.lots())?;
    let gates = service.gates()?;
    let content = html! {
        ul #notices-now {
            @for row in now.iter().chain(&further) { (overstay(&service, &lots, row)) }
            @for gate in &gates { (silence(&service, gate, &kept)) }
        }
    };
    Ok((FRAGMENT_HEADERS, content.into_string()).into_response())
}

fn overstay(service: &ScopedService, lots: &[LotStatus], row: &SeenSession) -> Markup {
    let local = Local::of(service, &row.lot);
    let permitted = lots.iter().find(|lot| lot.id == row.lot).and_then(|lot| lot.permitted_ms(row));
    html! {
        li data-key=(Key::Overstay(row.id).text()) {
            (Mark::Warn) a href=(links::address(row)) { "Overstay at " (row.lot) }
            @if let Some(entry) = row.entry_time { ", entered " (local.moment(entry)) }
            @if let Some(permitted) = permitted { ", permitted " (text::length(permitted)) }
            @if row.state != State::Open { ", no longer inside" }
        }
    }
}

/// A gate that is silent, or was when the script first showed it.
fn silence(service: &ScopedService, gate: &GateStatus, kept: &[Key]) -> Markup {
    let name = format!("{}/{}", gate.lot_name(), gate.gate_name());
    let is_silent = service.now().millis_since(gate.last_received) > SILENT_MS;
    let earlier = kept.iter().filter_map(|key| match key {
        Key::Silence { gate: of, last_ms } if *of == name => Some(*last_ms),
        Key::Silence { .. } | Key::Overstay(_) => None,
    });
    let now = gate.last_received.as_millis();
    let since: BTreeSet<i64> = earlier.chain(is_silent.then_some(now)).collect();
    let local =
        gate.place.as_ref().map_or_else(|| Local::new(Tz::UTC, service.now()), |(lot, _)| Local::of(service, lot));
    html! {
        @for last_ms in since {
            li data-key=(Key::Silence { gate: name.clone(), last_ms }.text()) {
                (Mark::Warn) a href="/#gates" { "Gate " (gate.gate_name()) " of " (gate.lot_name()) } " silent since "
                (local.moment(Timestamp::from_millis(last_ms)))
                @if last_ms != now { ", reads again" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_back_to_what_it_is_about() {
        let overstay = Key::Overstay(Uuid::from_u128(7));
        let silence = Key::Silence { gate: "P3/P3-in-1".to_owned(), last_ms: 1_727_168_400_000 };
        for key in [overstay, silence] {
            assert_eq!(Key::parse(&key.text()), Some(key));
        }
        assert_eq!(["", "overstay@x", "P3/a", "P3/a@b"].map(Key::parse), [None, None, None, None]);
    }
}
