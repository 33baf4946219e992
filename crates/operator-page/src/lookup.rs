//! At the exit: a form for the plate of a vehicle whose barrier stays closed, and the sessions that it may belong to.
//!
//! The form is sent with POST, because plates don't belong into addresses. What is likely is for the service to say.

use api::parameters::{lot, optional};
use api::questions::lookup::LookUpQuestion;
use api::{EntryAtGateView, Form, Kind, LookedUpView, Problem, Scoped, SimilarEntryView, UsualStayView};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use parking::{LotId, Timestamp};
use sessions::{LotStatus, ScopedService};
use url::form_urlencoded;

use super::layout::{Page, Refresh};
use super::local::Local;
use super::text::{self, Mark};
use super::{choice, links};

pub(super) const PATH: &str = "/lookup";
/// The largest body of the form, bytes.
const FORM_BYTES_MAX: usize = 4_096;
/// Probabilities from here on have these words.
const WORDS: [(f64, &str); 5] =
    [(0.95, "almost certain"), (0.8, "very likely"), (0.5, "likely"), (0.2, "possible"), (0.0, "unlikely")];

api::parameters! {
    pub(super) struct LookUpParameters {
        lot_id: Option<LotId> = optional(lot);
    }
}

/// The page without an answer.
pub(super) async fn form(
    Scoped(service): Scoped,
    Form(LookUpParameters { lot_id }): Form<LookUpParameters>,
) -> Result<Response, Problem> {
    let content = if service.sees_plates() {
        let lots = service.lots().await?;
        html! {
            (head())
            @if lots.is_empty() { p.empty { "No lot is known yet." } } @else {
                (fields(&lots, choice::lot(lot_id.as_ref(), &lots)?.id.as_str(), ""))
            }
        }
    } else {
        html! {
            (head())
            p.notice { "Plates are masked for you, so they can't be looked up: the token or user lacks the scope read_plate." }
        }
    };
    Ok(page(content, &service))
}

/// The page with an answer.
pub(super) async fn look_up(Scoped(service): Scoped, body: Body) -> Result<Response, Problem> {
    if !service.sees_plates() {
        return Err(Problem::new(Kind::Forbidden, "this needs a token or a user with the scope read_plate"));
    }
    let body = axum::body::to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| {
        Problem::new(Kind::TooLarge, format!("the form did not arrive, or is larger than {FORM_BYTES_MAX} bytes"))
    })?;
    let value = |name: &str| {
        let mut fields = form_urlencoded::parse(&body);
        fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let plate = value("plate");
    let lot = lot(&value("lot_id"))
        .map_err(|problem| Problem::with_faults(Kind::InvalidContent, vec![api::Fault::member("lot_id", problem)]))?;
    let local = Local::of(&service, &lot);
    let found = LookUpQuestion::of_plate(lot, &plate)?.answer(&service).await?;
    let lots = service.lots().await?;
    let content = html! {
        (head())
        (fields(&lots, &found.lot_id, &plate))
        section #found aria-labelledby="what" { (answer(&found, local)) }
    };
    Ok(page(content, &service))
}

/// The script does not fetch it again: an answer is of one moment.
fn page(content: Markup, service: &ScopedService) -> Response {
    Page { refresh: Refresh::Never, ..Page::new("At the exit", PATH, content) }.answer(StatusCode::OK, service)
}

fn head() -> Markup {
    html! {
        h1 { "At the exit" }
        p.lead { "Find the session of a vehicle whose barrier stays closed. Nothing is recorded." }
    }
}

fn fields(lots: &[LotStatus], lot: &str, plate: &str) -> Markup {
    html! {
        form.choices #look-up method="post" action=(PATH) {
            (choice::field(lots, lot, None))
            label { "Plate as read "
                input name="plate" value=(plate) required maxlength="64" autocomplete="off" autocapitalize="characters"
                    spellcheck="false" autofocus;
            }
            button { "Look up" }
        }
    }
}

fn answer(found: &LookedUpView, local: Local) -> Markup {
    let plate = found.vehicle_plate.as_str();
    html! {
        @if let Some(open) = &found.open_session {
            h2 #what { (Mark::Good) " " span.plate { (plate) } " is inside" }
            p {
                "Entered " (moment(&open.entry_date_time, local)) (gate(open)) ", inside for " (inside_for(open)) ". "
                a href={ "/sessions/" (open.session_id) } { "The session" }
            }
        } @else if found.entries.is_empty() {
            h2 #what { (Mark::Warn) " No session found" }
            @if plate.is_empty() || found.outcome == "unread" {
                p { "This plate says that nothing was read, so it can't be looked up." }
            } @else {
                p { "No vehicle with the plate " span.plate { (plate) } " or a similar one is inside." }
            }
        } @else {
            h2 #what { "Most likely sessions of " span.plate { (plate) } }
            (table(found, local))
            @if found.further_entries > 0 {
                p { (text::number(found.further_entries)) " further entries are possible, all less likely." }
            }
            @if let Some(none) = found.none_probability {
                p #none { "That the vehicle has no session is " (probability(none)) "." }
            }
        }
        @if let Some(usual) = &found.usual_stay { (usual_stay(usual)) }
    }
}

fn table(found: &LookedUpView, local: Local) -> Markup {
    let caption = "Likely sessions, the most likely first; characters that differ are marked";
    html! {
        div.scroll role="group" aria-label=(caption) tabindex="0" {
            table {
                caption { (caption) }
                thead { tr {
                    @for head in ["At the entry", "At the exit", "Probability", "Entered", "Gate", "Inside for", "Misread"] {
                        th scope="col" { (head) }
                    }
                } }
                tbody { @for entry in &found.entries { (row(entry, &found.vehicle_plate, local)) } }
            }
        }
    }
}

fn row(entry: &SimilarEntryView, plate: &str, local: Local) -> Markup {
    let SimilarEntryView { session, misread_at_entry, misread_at_exit, .. } = entry;
    let places = [("at the entry", misread_at_entry), ("at the exit", misread_at_exit)];
    let misread = places.iter().filter(|(_, errors)| !errors.is_empty());
    let misread: Vec<String> = misread.map(|(place, errors)| format!("{place} {}", errors.join(", "))).collect();
    html! {
        tr {
            th scope="row" {
                a.plate href={ "/sessions/" (session.session_id) } { (marked(&session.vehicle_plate, &entry.differing_at_entry)) }
            }
            td.plate { (marked(plate, &entry.differing_at_exit)) }
            td { (probability(entry.probability)) }
            td { (moment(&session.entry_date_time, local)) }
            td { (session.entry_gate_id.as_deref().unwrap_or("unknown")) }
            td { (inside_for(session)) }
            td { (misread.join("; ")) }
        }
    }
}

/// A plate with the characters at these places marked; places count from 1.
fn marked(plate: &str, places: &[usize]) -> Markup {
    html! {
        @for (place, character) in (1..).zip(plate.chars()) {
            @if places.contains(&place) { mark { (character) } } @else { (character) }
        }
    }
}

/// A probability in a word and in per cent.
fn probability(share: f64) -> String {
    let word = WORDS.iter().find(|(from, _)| share >= *from).map_or("unlikely", |(_, word)| word);
    format!("{word}, {:.0} %", 100.0 * share)
}

fn moment(time: &str, local: Local) -> Markup {
    Timestamp::parse_rfc3339(time).map_or_else(|_| html! { (time) }, |time| local.moment(time))
}

fn gate(entry: &EntryAtGateView) -> String {
    entry.entry_gate_id.as_ref().map(|gate| format!(" at {gate}")).unwrap_or_default()
}

fn inside_for(entry: &EntryAtGateView) -> String {
    text::length(entry.dwell_seconds.millis)
}

fn usual_stay(usual: &UsualStayView) -> Markup {
    let [median, p90] = [usual.dwell_p50_seconds, usual.dwell_p90_seconds].map(|stay| text::length(stay.millis));
    html! {
        p.note #usual {
            "Median stay here " (median) ", 90th percentile " (p90) ", of " (text::number(usual.stays))
            " stays of the last 30 days. "
            a href=(links::link("/stays", &[])) { "Dwell times" }
        }
    }
}
