//! Checks the summary API of another process: does it answer, is it a summary API, does it accept our secret?
//!
//! It sends the first request of a correlator, and asks for the state of the correlators; neither changes anything.

use chrono::DateTime;
use recorder::wire::{MEDIA_TYPE, TERMS};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap};
use reqwest::{Client, StatusCode};
use settings::{API_TOKEN, INTERNAL_TOKEN, PUBLIC_HOSTS, Redacted, SUMMARY_API_URL};

use super::address::{of_tls, unreachable};
use super::clock::{self, ServerTime};
use super::finding::{Finding, Verdict};
use super::{correlators, own_clock, tokens};
use crate::commands::api_client::deepest;

pub(super) const SUBJECT: &str = "summary api";

/// Checks it with the token of a correlator and, for what a reader may ask, with that of a reader.
pub(super) async fn check(
    url: &Redacted,
    token: Option<&Redacted>,
    reader: Option<&Redacted>,
    client: &Client,
) -> Vec<Finding> {
    let before = clock::now_ms();
    let (status, headers) = match ask(url, token, client).await {
        Ok(answer) => answer,
        Err(error) => {
            let why = if error.is_timeout() { "no answer in time".to_owned() } else { deepest(&error) };
            let fix = unreachable("the summary API", url.expose(), SUMMARY_API_URL.name);
            let (cause, fix) = of_tls(&format!("it does not answer: {why}"), fix);
            return vec![Finding::ok(SUBJECT, url.to_string()).fails(cause, fix)];
        }
    };
    let ours = (before, clock::now_ms());
    let list = tokens::check(url, token, client).await;
    let found = if status == StatusCode::FORBIDDEN && list.is_some() {
        Finding::ok(SUBJECT, format!("{url} answers, and takes our token as that of a gateway, not of a correlator"))
    } else {
        answered(url, status, &headers, token.is_some())
    };
    let correlators = if found.verdict == Verdict::Ok { correlators::check(url, reader, client).await } else { None };
    let difference = date_ms(&headers).and_then(|date| {
        // The header has whole seconds.
        clock::finding("the summary API", ServerTime { theirs: (date, date + 999), ours })
    });
    let clocks = own_clock::check("the summary API", url.expose(), reader, client).await;
    std::iter::once(found).chain(list).chain(correlators).chain(difference).chain(clocks).collect()
}

/// The finding if the system's authorities can't be read.
pub(super) fn unusable(url: &Redacted, reason: &str) -> Finding {
    let (cause, fix) = of_tls(reason, "see the cause".to_owned());
    Finding::ok(SUBJECT, url.to_string()).fails(cause, fix)
}

async fn ask(url: &Redacted, token: Option<&Redacted>, client: &Client) -> reqwest::Result<(StatusCode, HeaderMap)> {
    let mut request = client.get(format!("{}{TERMS}", url.expose().trim_end_matches('/')));
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    let response = request.send().await?;
    Ok((response.status(), response.headers().clone()))
}

fn answered(url: &Redacted, status: StatusCode, headers: &HeaderMap, has_token: bool) -> Finding {
    let seen = Finding::ok(SUBJECT, format!("{url} answers {}", status.as_u16()));
    let name = SUMMARY_API_URL.name;
    let is_ours = headers.get(CONTENT_TYPE).is_some_and(|media_type| media_type == MEDIA_TYPE);
    match status {
        StatusCode::OK if is_ours => Finding::ok(SUBJECT, format!("{url} answers and takes correlators")),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => seen.fails(
            if has_token {
                "it does not accept our token: it is unknown there, or lacks the scope record; or it needs a certificate \
                 (DWELL_CLIENT_CERT_FILE)"
            } else {
                "it requires a token, and none is set here"
            },
            format!(
                "set {} to a token with the scope record (dwell token create), or {} to one secret (openssl rand -hex 24) \
                 for the summary API and its correlators, and start both again",
                API_TOKEN.name, INTERNAL_TOKEN.name
            ),
        ),
        StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => seen.fails(
            format!("the server there has no {TERMS}: it is another program, another version, or the path is too long"),
            format!(
                "write scheme, host and port only in {name}, for instance http://127.0.0.1:5000; to see who answers: curl -i \
                 {}/readyz",
                url.to_string().trim_end_matches('/')
            ),
        ),
        StatusCode::MISDIRECTED_REQUEST => seen.fails(
            "it is not reached by the host name in this address, unless the request has a valid token",
            format!(
                "add the host name to {} of the summary API and start it again, or write its IP address in {name}, or set \
                 {} to a token with the scope record",
                PUBLIC_HOSTS.name, API_TOKEN.name
            ),
        ),
        _ if status.is_redirection() => seen.fails(
            "it leads to another address, which is not followed",
            format!("write the address that it leads to in {name}"),
        ),
        _ => seen.fails(
            format!("it answers {status}"),
            format!("see what it says: curl -s '{}/readyz?verbose'", url.to_string().trim_end_matches('/')),
        ),
    }
}

fn date_ms(headers: &HeaderMap) -> Option<i64> {
    let date = headers.get(DATE)?.to_str().ok()?;
    Some(DateTime::parse_from_rfc2822(date).ok()?.timestamp_millis())
}
