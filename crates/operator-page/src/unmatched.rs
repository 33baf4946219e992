//! Unmatched entries and exits, newest first, each with its explanation.

use api::cursor::Cursor;
use api::parameters::{lot, optional, quoted};
use api::questions::session_list::{self, ListPage, SessionListParameters};
use api::{Form, Problem, Scoped};
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;
use parking::{LotId, State};

use super::explanations::Explanations;
use super::layout::Page;
use super::links;
use super::listing::{self, Columns};
use super::text::Mark;
use super::{choice, text};

const PATH: &str = "/unmatched";
/// The states that are shown unless one is chosen.
const UNMATCHED: [State; 2] = [State::UnmatchedExit, State::UnmatchedEntry];
/// The states that may be chosen.
const CHOICES: [State; 3] = [State::UnmatchedExit, State::UnmatchedEntry, State::HeldExit];
/// The number of stays on a page.
const LIMIT: u32 = 50;

api::parameters! {
    pub(super) struct UnmatchedParameters {
        lot_id: Option<LotId> = optional(lot);
        state: Option<State> = optional(state);
        cursor: Option<Cursor> = optional(Cursor::parse);
    }
}

pub(super) async fn unmatched(
    Scoped(service): Scoped,
    Form(asked): Form<UnmatchedParameters>,
) -> Result<Response, Problem> {
    let UnmatchedParameters { lot_id, state: chosen, cursor } = asked;
    let state = chosen.map_or_else(|| UNMATCHED.to_vec(), |chosen| vec![chosen]);
    let asked = SessionListParameters { lot_id, state, cursor, limit: Some(LIMIT), ..SessionListParameters::default() };
    let ListPage { rows, next_cursor, .. } = session_list::page(&service, &asked).await?;
    let (lots, explanations, status) =
        tokio::try_join!(service.lots(), Explanations::of(&service, &rows), service.status())?;
    let lot = asked.lot_id.as_ref().map_or("", LotId::as_str);
    let caption = if asked.cursor.is_none() { "Unmatched, the newest first" } else { "Unmatched, an older page" };
    let content = html! {
        h1 { "Unmatched" }
        p.lead { "Entries and exits without a counterpart. A late event may still match them." }
        @if let Some(held) = text::held(status.pending.held_exits, &service.rules()) {
            p.notice #held {
                (Mark::State(State::HeldExit)) (held) ": "
                a href=(links::link(PATH, &[("state", State::HeldExit.as_str())])) { "the held exits of all lots" } "."
            }
        }
        form.choices action=(PATH) {
            (choice::field(&lots, lot, Some("All lots")))
            label { "State "
                select name="state" {
                    option value="" selected[chosen.is_none()] { "All unmatched" }
                    @for state in CHOICES {
                        option value=(state) selected[chosen == Some(state)] { (text::state(state)) }
                    }
                }
            }
            button { "Show" }
        }
        @if rows.is_empty() {
            p.empty { (none(chosen, &asked)) }
        } @else {
            (listing::table(&service, caption, &rows, Columns::Explanation(&explanations)))
        }
        (listing::pages(PATH, &[("lot_id", lot), ("state", chosen.map_or("", State::as_str))], asked.cursor.is_none(), next_cursor.as_deref()))
    };
    Ok(Page::new("Unmatched", PATH, content).answer(StatusCode::OK, &service))
}

/// The text of an empty list.
fn none(chosen: Option<State>, asked: &SessionListParameters) -> String {
    let what = match chosen {
        Some(State::HeldExit) => "held exits",
        Some(State::UnmatchedExit) => "unmatched exits",
        Some(State::UnmatchedEntry) => "unmatched entries",
        None | Some(State::Open | State::Matched | State::Void) => "unmatched entries or exits",
    };
    let age = if asked.cursor.is_some() { "older " } else { "" };
    let place = asked.lot_id.as_ref().map(|lot| format!(" at {lot}")).unwrap_or_default();
    format!("No {age}{what}{place}.")
}

fn state(text: &str) -> Result<State, String> {
    let known = CHOICES.into_iter().find(|state| state.as_str() == text);
    known.ok_or_else(|| format!("{} is none of {}", quoted(text), CHOICES.map(State::as_str).join(", ")))
}
