//! Reports which correlators and consumers the summary API of another process waits for.

use api::StatusView;
use reqwest::Client;
use settings::Redacted;

use super::finding::Finding;

const SUBJECT: &str = "correlators";

/// Empty if the summary API does not answer: its own check reports why.
pub(super) async fn check(url: &Redacted, token: Option<&Redacted>, client: &Client) -> Option<Finding> {
    let address = format!("{}/api/v1/status", url.expose().trim_end_matches('/'));
    let mut request = client.get(address);
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    let answer = request.send().await.ok()?.error_for_status().ok()?;
    Some(finding(&answer.json().await.ok()?))
}

fn finding(status: &StatusView) -> Finding {
    let seen = Finding::ok(SUBJECT, format!("known to the summary API: {}", status.correlators.len()));
    if status.waits_for.is_empty() {
        return seen;
    }
    seen.warns(
        status.waits_for.join("; "),
        "while they are waited for, no hold ends and nothing counts as settled. Start, resume or end the correlator, or let it \
         reach the summary API; to see whose a consumer is, on the broker: rabbitmqctl list_consumers",
    )
}

#[cfg(test)]
mod tests {
    use api::PendingView;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn correlators_and_consumers_that_are_waited_for_are_warned_of() {
        let of = |waits_for: &[&str]| {
            let status = StatusView {
                now: "2024-09-24T09:00:00.000Z".to_owned(),
                settled: false,
                pending: PendingView { held_exits: 0, overdue_stays: 0 },
                correlators: Vec::new(),
                waits_for: waits_for.iter().map(|wait| (*wait).to_owned()).collect(),
            };
            let Finding { verdict, cause, .. } = finding(&status);
            (verdict, cause)
        };

        assert_eq!(of(&[]), (Verdict::Ok, None));
        assert_eq!(of(&["one", "other"]), (Verdict::Warning, Some("one; other".to_owned())));
    }
}
