//! The overview: lots, gates, the newest matched stays, dependencies and queues.
//!
//! While the ledger is down, this page still answers within seconds: it reports that, and shows what needs no ledger.

use std::time::Duration;

use api::{Problem, Scoped};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use sessions::{Error, LotStatus, ReportedCorrelator, ScopedService, SeenSession, Status};

use super::layout::{Page, Refresh};
use super::listing::{self, Columns};
use super::text::{self, Mark, number};
use super::{dependencies, gates, links, lots};

const PATH: &str = "/";
/// How long this page waits for the ledger. Short, because an operator has to see that it is down.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(1);
/// Since when exits are counted.
const LAST_DAY: &str = "in the last 24 hours of each lot";
/// How many of the newest matched stays are shown.
const LATEST_STAYS_MAX: usize = 8;

/// The numbers from the ledger.
struct Standing {
    lots: Vec<LotStatus>,
    status: Status,
    latest: Vec<SeenSession>,
}

pub(super) async fn now(Scoped(service): Scoped) -> Response {
    let standing = tokio::time::timeout(LEDGER_TIMEOUT, ask(&service)).await.unwrap_or(Err(Error::TooSlow));
    if let Err(denied @ Error::Denied(_)) = standing {
        return Problem::from(denied).into_response();
    }
    let content = html! {
        h1 { "Now" }
        @match &standing {
            Ok(standing) => {
                (figures(&service, standing))
                (lots::table(&service, &standing.lots))
                (latest(&service, &standing.latest))
                (gates::table(&service))
            }
            Err(_) => {
                p.notice role="alert" {
                    (Mark::Bad) "The ledger does not answer: lots and stays are not available until it is back."
                }
            }
        }
        (dependencies::list(&service))
        (dependencies::correlators(&service.correlators(), &service.waits_for(), service.now()))
    };
    Page { refresh: Refresh::Always, ..Page::new("Now", PATH, content) }.answer(StatusCode::OK, &service)
}

async fn ask(service: &ScopedService) -> Result<Standing, Error> {
    let (lots, status, latest) =
        tokio::try_join!(service.lots(), service.status(), service.newest_matched(LATEST_STAYS_MAX))?;
    Ok(Standing { lots, status, latest })
}

fn figures(service: &ScopedService, standing: &Standing) -> Markup {
    let sum = |count: fn(&LotStatus) -> u64| standing.lots.iter().map(count).sum::<u64>();
    let (matched, unmatched) = (sum(|lot| lot.matched_last_day), sum(|lot| lot.unmatched_last_day));
    let pending = standing.status.pending;
    let of_exits = match (matched + unmatched, text::held(pending.held_exits, &service.rules())) {
        (0, None) => "no exit is decided yet".to_owned(),
        (0, Some(held)) => format!("no exit is decided yet; {held}"),
        (_, None) => "of those exits".to_owned(),
        (_, Some(held)) => format!("of those exits; {held}"),
    };
    let (queued, of_queued) = in_queues(&standing.status.correlators);
    let in_lots = format!("vehicles in {} lots", standing.lots.len());
    let list = |filter: &[(&str, &str)]| links::list("", filter);
    let last_day = |state: &str| list(&[("state", state), ("last_day", "true")]);
    html! {
        dl.figures {
            (text::linked_figure("inside", "Inside", sum(|lot| lot.inside), &in_lots, &list(&[("state", "open")])))
            (text::linked_figure("overstays", "Overstays", sum(|lot| lot.overstays), "longer than permitted", &list(&[("overstay", "true")])))
            (text::linked_figure("doubtful", "Doubtful", sum(|lot| lot.doubtful.unwrap_or_default()), "their exit was probably missed", &list(&[("doubtful", "true")])))
            (text::linked_figure("matched", "Exits matched", matched, LAST_DAY, &last_day("matched")))
            (text::linked_figure("unmatched", "Exits unmatched", unmatched, LAST_DAY, &last_day("unmatched_exit")))
            (text::figure("share", "Match rate", text::share(matched, matched + unmatched).as_deref().unwrap_or("no data"), &of_exits))
            (text::linked_figure("held", "Held exits", pending.held_exits, "waiting for a late entry", &list(&[("state", "held_exit")])))
            (text::figure("overdue", "Overdue stays", &number(pending.overdue_stays), "longer than the longest stay"))
            (text::figure("queued", "Queue depth", &queued, &of_queued))
        }
    }
}

/// Ready messages, the largest number that a correlator reports, and messages in flight at all correlators; or that the
/// depth is unknown.
fn in_queues(correlators: &[ReportedCorrelator]) -> (String, String) {
    let ready = |one: &ReportedCorrelator| Some(one.status.entry.ready()?.saturating_add(one.status.exit.ready()?));
    let in_flight: u64 = correlators.iter().map(|one| one.status.in_flight()).sum();
    match correlators.iter().filter_map(ready).max() {
        Some(ready) => (number(ready), format!("and {} in flight", number(in_flight))),
        None if correlators.is_empty() => ("–".to_owned(), "not known: no correlator reports".to_owned()),
        None => ("–".to_owned(), "not known: the broker does not say".to_owned()),
    }
}

fn latest(service: &ScopedService, rows: &[SeenSession]) -> Markup {
    html! {
        section #latest aria-label="Newest matched stays" {
            @if rows.is_empty() {
                p.empty { "No stay was matched recently. The next one appears as soon as an exit finds its entry." }
            } @else {
                (listing::table(service, "Newest matched stays, the last recorded first", rows, Columns::Dwell))
            }
        }
    }
}
