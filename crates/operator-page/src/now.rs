//! The overview: lots, gates, the newest matched stays, dependencies and queues.
//!
//! While the ledger is down, this page still answers within seconds: it reports that, and shows what needs no ledger.

use std::time::Duration;

use api::{Problem, Scoped};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use sessions::{DayCounts, Error, LotStatus, ReportedCorrelator, ScopedService, SeenSession, Status};

use super::headline::Headline;
use super::layout::{Page, Refresh};
use super::listing::{self, Columns};
use super::text::{Mark, number};
use super::{dependencies, gates, lots};

const PATH: &str = "/";
/// How long this page waits for the ledger. Short, because an operator has to see that it is down.
const LEDGER_TIMEOUT: Duration = Duration::from_secs(1);
/// How many of the newest matched stays are shown.
const LATEST_STAYS_MAX: usize = 8;

/// The numbers from the ledger.
struct Standing {
    lots: Vec<LotStatus>,
    /// Of each lot, what passed a week before.
    before: Vec<Option<DayCounts>>,
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
                (headline(&service, standing))
                (lots::table(&service, &standing.lots, &standing.before))
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
    let before = service.week_before(&lots).await?;
    Ok(Standing { lots, before, status, latest })
}

fn headline(service: &ScopedService, standing: &Standing) -> Markup {
    let Standing { lots, before, status, .. } = standing;
    let queues = in_queues(&status.correlators);
    Headline { lots, before, pending: status.pending, queues: &queues }.figures(service)
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
