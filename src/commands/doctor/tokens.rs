//! Reports the list of tokens that a gateway with our token gets from the summary API of another process.

use access::Tokens;
use reqwest::Client;
use settings::Redacted;

use super::finding::Finding;

const SUBJECT: &str = "tokens";
const ROUTE: &str = "/internal/v1/tokens";

/// How many tokens there are for senders; `None` if the summary API does not give us the list, or has no token.
pub(super) async fn check(url: &Redacted, token: Option<&Redacted>, client: &Client) -> Option<Finding> {
    let mut request = client.get(format!("{}{ROUTE}", url.expose().trim_end_matches('/')));
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    let answer = request.send().await.ok()?.error_for_status().ok()?;
    let tokens = Tokens::parse_file(&answer.text().await.ok()?).ok()?;
    let may_send = tokens.records().filter(|record| record.principal().may(access::Scope::Ingest)).count();
    let all = tokens.records().count();
    (all > 0).then(|| {
        Finding::ok(SUBJECT, format!("a gateway with our token knows {all}, of which {may_send} may send events"))
    })
}
