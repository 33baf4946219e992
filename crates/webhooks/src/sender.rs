//! Sends one message to one receiver: the only part that knows HTTP.
//!
//! Redirects are not followed, proxies of the environment are not used, and of an answer only its status, `Retry-After`
//! and a few bytes are read. No text from here contains the address of a receiver, or anything of its answer but the
//! status.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ledger::Webhook;
use parking::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use service_kit::causes;
use tls::{Connector, Failure, Stamps};

use crate::addresses::PrivateAddresses;
use crate::message::{Message, signatures};
use crate::pace::retry_after_ms;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The rest of an answer is read so that its connection can be used again, but not for long.
const REST_TIMEOUT: Duration = Duration::from_secs(1);
const REST_BYTES_MAX: usize = 16 * 1024;
const AGENT: &str = concat!("dwell/", env!("CARGO_PKG_VERSION"));

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The receiver accepted the message.
    Accepted,
    /// The receiver answered 410: it asks for no further messages.
    Gone,
    /// The receiver answered with another status.
    Refused {
        /// What it answered.
        problem: String,
        /// The delay that it asked for.
        retry_after_ms: Option<i64>,
    },
    /// There was no answer.
    Unanswered {
        /// Why.
        problem: String,
    },
}

/// Sends messages to receivers. Cheap to clone; all clones share their connections.
#[derive(Debug, Clone)]
pub struct Sender {
    addresses: PrivateAddresses,
    connector: Connector,
    /// The client of each scheme, and the state of the certificates that it was made with.
    clients: Arc<Mutex<BTreeMap<bool, (Stamps, Client)>>>,
}

impl Sender {
    /// A sender that trusts the authorities of `connector`.
    pub fn new(addresses: PrivateAddresses, connector: &Connector) -> Self {
        Self { addresses, connector: connector.clone(), clients: Arc::default() }
    }

    /// Checks the address of a receiver, and returns it in its normal form.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn check(&self, url: &str) -> Result<String, String> {
        self.addresses.check(url).map(String::from)
    }

    /// Sends a test message; returns what went wrong.
    ///
    /// # Errors
    /// Why the receiver did not accept it.
    pub async fn test(&self, webhook: &Webhook, timeout: Duration, now: Timestamp) -> Result<(), String> {
        match self.send(webhook, &Message::of_test(webhook, now), timeout, now).await {
            Outcome::Accepted => Ok(()),
            Outcome::Gone => Err(answered(StatusCode::GONE)),
            Outcome::Refused { problem, .. } | Outcome::Unanswered { problem } => Err(problem),
        }
    }

    /// Sends a message, signed at `now`.
    pub(crate) async fn send(
        &self,
        webhook: &Webhook,
        message: &Message,
        timeout: Duration,
        now: Timestamp,
    ) -> Outcome {
        let url = match self.addresses.check(&webhook.url) {
            Ok(url) => url,
            Err(fault) => return Outcome::Unanswered { problem: format!("the address {fault}") },
        };
        let client = match self.client(&url) {
            Ok(client) => client,
            Err(problem) => return Outcome::Unanswered { problem },
        };
        let request = client
            .post(url)
            .timeout(timeout)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT)
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.as_millis().div_euclid(1_000))
            .header("webhook-signature", signatures(webhook, message, now))
            .body(message.body.clone());
        match request.send().await {
            Ok(response) => outcome(response, now).await,
            Err(error) => Outcome::Unanswered { problem: problem(&error, timeout) },
        }
    }

    /// The client for this scheme, with the certificates as they are now.
    fn client(&self, url: &Url) -> Result<Client, String> {
        let is_secured = url.scheme() == "https";
        let stamps = self.connector.stamps();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = clients.get(&is_secured)
            && *known == stamps
        {
            return Ok(client.clone());
        }
        let tls = self.connector.config_of_http(url.as_str()).map_err(|failure| failure.to_string())?;
        let client = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT_TIMEOUT)
            .dns_resolver(Arc::new(Resolver(self.addresses)))
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|error| format!("no connection can be made: {}", deepest(&error)))?;
        clients.insert(is_secured, (stamps, client.clone()));
        Ok(client)
    }
}

/// Reads of an answer what matters.
async fn outcome(mut response: Response, now: Timestamp) -> Outcome {
    let status = response.status();
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_ms = asked.and_then(|value| retry_after_ms(value, now));
    let rest = async {
        let mut left = REST_BYTES_MAX;
        while let Ok(Some(part)) = response.chunk().await {
            left = left.saturating_sub(part.len());
            if left == 0 {
                break;
            }
        }
    };
    drop(tokio::time::timeout(REST_TIMEOUT, rest).await);
    match status {
        status if status.is_success() => Outcome::Accepted,
        StatusCode::GONE => Outcome::Gone,
        status if status.is_redirection() => {
            let problem = format!("{}, a redirect, which is not followed", answered(status));
            Outcome::Refused { problem, retry_after_ms }
        }
        status => Outcome::Refused { problem: answered(status), retry_after_ms },
    }
}

fn answered(status: StatusCode) -> String {
    let reason = status.canonical_reason().map_or_else(String::new, |reason| format!(" {reason}"));
    format!("the receiver answered {}{reason}", status.as_u16())
}

fn problem(error: &reqwest::Error, timeout: Duration) -> String {
    if let Some(blocked) = blocked(error) {
        return blocked.to_string();
    }
    if let Some(failure) = Failure::among(error) {
        return failure.to_string();
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, true) => format!("no connection within {CONNECT_TIMEOUT:?}"),
        (false, true) => format!("no answer within {timeout:?}"),
        (true, false) => format!("no connection: {}", deepest(error)),
        (false, false) => format!("no answer: {}", deepest(error)),
    }
}

/// The innermost cause; the outer ones repeat the address.
fn deepest(error: &reqwest::Error) -> String {
    causes::innermost(error).unwrap_or_else(|| "the connection broke".to_owned())
}

/// A name has no address that messages may go to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of the receiver has no public address; DWELL_WEBHOOK_PRIVATE_ADDRESSES=allowed allows others, which is for \
     receivers in your own network"
)]
struct Blocked;

fn blocked<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Blocked> {
    std::iter::successors(Some(error), |error| (**error).source()).find_map(|error| error.downcast_ref())
}

/// Resolves names to addresses that messages may go to. A connection is made to exactly these.
#[derive(Debug)]
struct Resolver(PrivateAddresses);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| policy.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Blocked.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
