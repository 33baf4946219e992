//! Whether a running service suspects the clock of its machine. A service reports that in `/readyz?verbose`; a
//! correlator in another process also reports it to the summary API.

use api::{CorrelatorView, StatusView};
use reqwest::{Client, Response};
use settings::Redacted;

use super::finding::Finding;

/// The dependency under which services report their own clock, from the first suspicion on.
const CLOCK: &str = "clock";
/// The longest report that is read.
const REPORT_BYTES_MAX: usize = 64 * 1024;

/// The suspected clocks of the service at `url` and of the correlators that report to it; nothing if the service does
/// not answer.
pub(super) async fn check(service: &str, url: &str, reader: Option<&Redacted>, client: &Client) -> Vec<Finding> {
    let (own, reported) = futures::join!(own(client, url), reported(client, url, reader));
    let own = own.and_then(|report| Some(suspected(service, reason_in(&report)?)));
    own.into_iter().chain(reported.iter().flat_map(of_correlators)).collect()
}

/// The report of the service's dependencies, which a service that is not ready returns too.
async fn own(client: &Client, url: &str) -> Option<String> {
    let mut answer: Response = client.get(format!("{}/readyz?verbose", url.trim_end_matches('/'))).send().await.ok()?;
    let mut report = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        report.extend_from_slice(&chunk);
        if report.len() > REPORT_BYTES_MAX {
            return None;
        }
    }
    String::from_utf8(report).ok()
}

async fn reported(client: &Client, url: &str, reader: Option<&Redacted>) -> Option<StatusView> {
    let mut request = client.get(format!("{}/api/v1/status", url.trim_end_matches('/')));
    if let Some(token) = reader {
        request = request.bearer_auth(token.expose());
    }
    let answer = request.send().await.ok()?;
    answer.error_for_status().ok()?.json().await.ok()
}

fn of_correlators(status: &StatusView) -> Vec<Finding> {
    let reason = |correlator: &CorrelatorView| {
        let clock = correlator.dependencies.iter().find(|dependency| dependency.name == CLOCK && !dependency.up)?;
        Some(suspected(&format!("correlator {}", correlator.id), clock.reason.as_deref().unwrap_or("it may be wrong")))
    };
    status.correlators.iter().filter_map(reason).collect()
}

/// The reason why the clock is suspected, from a report of dependencies.
fn reason_in(report: &str) -> Option<&str> {
    let mut down = report.lines().filter_map(|line| line.strip_prefix("[-]")?.split_once(' '));
    let (_, reason) = down.find(|(name, _)| *name == CLOCK)?;
    Some(reason.strip_suffix(" (optional)").unwrap_or(reason))
}

fn suspected(whose: &str, reason: &str) -> Finding {
    Finding::ok(format!("clock of {whose}"), "is suspected to be wrong").warns(
        reason,
        "on its machine: timedatectl status, and if the clock is wrong: timedatectl set-ntp true; see also \
         docs/runbooks/own-clock-off.md",
    )
}

#[cfg(test)]
mod tests {
    use service_kit::{Health, metrics::Registry};

    use super::*;

    #[test]
    fn the_reason_of_a_suspected_clock_is_read_from_the_report_of_a_service() {
        let health = Health::new(&Registry::new());
        health.dependency("clockwork").down("wound down");
        let clock = health.optional(CLOCK);
        clock.up();
        assert_eq!(reason_in(&health.report()), None);
        clock.down("118 of the 120 events of the last minute are more than five minutes ahead of this machine's clock");
        let reason =
            "118 of the 120 events of the last minute are more than five minutes ahead of this machine's clock";
        assert_eq!(reason_in(&health.report()), Some(reason));
    }

    #[test]
    fn a_clock_that_a_correlator_suspects_is_told_with_the_correlator() {
        let status = serde_json::json!({
            "now": "2024-09-24T09:00:00.000Z", "settled": false, "pending": {"held_exits": 0, "overdue_stays": 0},
            "correlators": [{
                "id": "00000000-0000-4000-8000-000000000001", "entry_ready": 0, "exit_ready": 0, "in_flight": 0,
                "dependencies": [
                    {"name": "redis", "up": false, "optional": true, "reason": "refused"},
                    {"name": "clock", "up": false, "optional": true, "reason": "most events are ahead of it"},
                ],
                "reported_at": "2024-09-24T09:00:00.000Z",
            }],
        });
        let found = of_correlators(&serde_json::from_value(status).unwrap());
        let said: Vec<_> = found.iter().map(|one| (one.subject.as_str(), one.cause.as_deref())).collect();
        let subject = "clock of correlator 00000000-0000-4000-8000-000000000001";
        assert_eq!(said, [(subject, Some("most events are ahead of it"))]);
    }
}
