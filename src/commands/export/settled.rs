//! Waits until all work is done: no message is queued or in flight, no hold or stay is due.
//!
//! One check is not enough: a correlator reports once a second, and a message may move during a check. So two checks
//! in a row must find nothing, each with reports that were made after the start and are newer than the last ones.
//!
//! During an outage of the summary API the wait goes on until its timeout. Only an address that has not answered yet,
//! and may be wrong, is reported at once.

use std::collections::BTreeMap;
use std::time::Duration;

use api::{CorrelatorView, StatusView};
use parking::Timestamp;
use parking::readable::{counted, grouped};
use tokio::time::Instant;
use uuid::Uuid;

use super::Error;
use crate::commands::api_client::{self, Client, Patience};
use crate::terminal::progress::Progress;

const POLL_INTERVAL: Duration = Duration::from_millis(250);

pub(super) async fn wait(client: &Client, timeout: Duration, progress: &Progress) -> Result<(), Error> {
    let deadline = Instant::now() + timeout;
    let mut rest = Rest::default();
    let mut left = "nothing is known yet".to_owned();
    let mut has_answered = false;
    loop {
        // Retried here and not by the client, so that the timeout can name the error.
        let asked = client.get::<StatusView>("api/v1/status", &[], Patience::None);
        let last_error = match tokio::time::timeout_at(deadline, asked).await {
            Err(_) => return Err(not_settled(timeout, &left, Some("the summary API did not answer".to_owned()))),
            Ok(Ok(status)) => {
                if rest.is_found_by(&status)? {
                    return Ok(());
                }
                left = what_is_left(&status);
                has_answered = true;
                progress.show(left.clone());
                None
            }
            Ok(Err(error)) => {
                has_answered |= matches!(error, api_client::Error::Status { .. });
                if !has_answered || !error.may_pass() {
                    return Err(error.into());
                }
                // The summary API may have restarted, so both checks start over.
                rest = Rest::default();
                progress.show(error.to_string());
                Some(error.to_string())
            }
        };
        if Instant::now() + POLL_INTERVAL >= deadline {
            return Err(not_settled(timeout, &left, last_error));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// The error of a timeout. If the last request failed, `left` is what was known before.
fn not_settled(timeout: Duration, left: &str, last_error: Option<String>) -> Error {
    let known = |error| format!("{error} (known before: {left})");
    Error::NotSettled { timeout, left: last_error.map_or_else(|| left.to_owned(), known) }
}

/// The results of the checks so far.
#[derive(Debug, Default)]
struct Rest {
    /// The time of the summary API at the first check: reports are dated by its clock, not ours.
    begun: Option<Timestamp>,
    /// When each correlator made the report of the last check without work.
    reports: Option<BTreeMap<Uuid, Timestamp>>,
}

impl Rest {
    /// Checks once; true if it is the second check in a row without work.
    fn is_found_by(&mut self, status: &StatusView) -> Result<bool, Error> {
        let begun = match self.begun {
            Some(begun) => begun,
            None => *self.begun.insert(moment(&status.now)?),
        };
        if !status.settled {
            self.reports = None;
            return Ok(false);
        }
        let mut reports = BTreeMap::new();
        for correlator in &status.correlators {
            reports.insert(correlator.id, moment(&correlator.reported_at)?);
        }
        let is_newer = |(correlator, reported_at): (&Uuid, &Timestamp)| {
            let before = self.reports.as_ref().and_then(|before| before.get(correlator)).copied();
            *reported_at > before.unwrap_or(begun)
        };
        if !reports.iter().all(is_newer) {
            return Ok(false);
        }
        Ok(self.reports.replace(reports).is_some())
    }
}

fn moment(text: &str) -> Result<Timestamp, Error> {
    Timestamp::parse_rfc3339(text)
        .map_err(|problem| Error::NoSession { problem: format!("a time of /api/v1/status {problem}") })
}

fn what_is_left(status: &StatusView) -> String {
    // All correlators report the same two queues.
    let most = |ready: fn(&CorrelatorView) -> Option<u64>| status.correlators.iter().filter_map(ready).max();
    let is_unknown = |one: &CorrelatorView| one.entry_ready.is_none() || one.exit_ready.is_none();
    let in_flight = status.correlators.iter().map(|correlator| correlator.in_flight).sum();
    let left = [
        (most(|correlator| correlator.entry_ready).unwrap_or(0), "message", "in the entry queue"),
        (most(|correlator| correlator.exit_ready).unwrap_or(0), "message", "in the exit queue"),
        (in_flight, "message", "in flight"),
        (status.pending.held_exits, "exit", "held"),
        (status.pending.overdue_stays, "stay", "beyond the longest"),
    ];
    let mut left: Vec<String> = left
        .into_iter()
        .filter(|(count, _, _)| *count > 0)
        .map(|(count, thing, place)| format!("{} {place}", counted(count, thing)))
        .collect();
    left.extend(status.waits_for.iter().cloned());
    if status.waits_for.is_empty() && status.correlators.iter().any(is_unknown) {
        left.push("queues whose depth the broker does not report right now".to_owned());
    }
    if left.is_empty() {
        let correlators = grouped(status.correlators.len() as u64);
        return format!("nothing, but newer reports of all correlators ({correlators}) are awaited");
    }
    left.join(", ")
}

#[cfg(test)]
mod tests {
    use api::PendingView;

    use super::*;

    fn at(second: u32) -> String {
        format!("2024-09-24T09:00:{second:02}.000Z")
    }

    fn status(now: u32, settled: bool, reported_at: &[u32]) -> StatusView {
        let correlator = |(id, second): (u128, &u32)| CorrelatorView {
            id: Uuid::from_u128(id),
            entry_ready: Some(if settled { 0 } else { 1_200 }),
            exit_ready: Some(0),
            in_flight: 0,
            dependencies: Vec::new(),
            reported_at: at(*second),
        };
        StatusView {
            now: at(now),
            settled,
            pending: PendingView { held_exits: u64::from(!settled), overdue_stays: 0 },
            correlators: (1..).zip(reported_at).map(correlator).collect(),
            waits_for: Vec::new(),
        }
    }

    fn found(looks: &[StatusView]) -> Vec<bool> {
        let mut rest = Rest::default();
        looks.iter().map(|look| rest.is_found_by(look).unwrap()).collect()
    }

    #[test]
    fn rest_is_found_by_two_looks_on_reports_made_after_the_beginning() {
        let looks = [status(10, true, &[9]), status(11, true, &[11]), status(11, true, &[11]), status(12, true, &[12])];
        assert_eq!(found(&looks), [false, false, false, true]);
    }

    #[test]
    fn every_correlator_must_have_reported_anew() {
        let looks = [
            status(10, true, &[9, 9]),
            status(11, true, &[11, 9]),
            status(12, true, &[12, 11]),
            status(13, true, &[13, 11]),
            status(14, true, &[14, 14]),
        ];
        assert_eq!(found(&looks), [false, false, false, false, true]);
    }

    #[test]
    fn work_in_between_begins_it_anew() {
        let looks = [
            status(10, true, &[9]),
            status(11, true, &[11]),
            status(12, false, &[12]),
            status(13, true, &[13]),
            status(14, true, &[14]),
        ];
        assert_eq!(found(&looks), [false, false, false, false, true]);
    }

    #[test]
    fn what_is_left_is_said() {
        assert_eq!(what_is_left(&status(10, false, &[9, 9])), "1,200 messages in the entry queue, 1 exit held");
        let mut silent = status(10, false, &[9]);
        silent.waits_for = vec!["correlator 00000001 has been silent for 35s".to_owned()];
        assert!(what_is_left(&silent).ends_with("1 exit held, correlator 00000001 has been silent for 35s"));
        assert!(what_is_left(&status(10, true, &[9])).starts_with("nothing, but newer reports"));
        let mut unknown = status(10, true, &[9, 9]);
        unknown.correlators[0].exit_ready = None;
        assert_eq!(what_is_left(&unknown), "queues whose depth the broker does not report right now");
    }
}
