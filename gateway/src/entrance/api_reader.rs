//! Reads the list of tokens from the summary API, by conditional requests: while nothing changed, the answer has no body.
//!
//! Retrying, and what the list is for, is left to `source`.

use std::time::Duration;

use access::Tokens;
use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use reqwest::{Client, StatusCode, redirect};
use service_kit::{Dependency, causes};
use settings::Redacted;
use tls::{Connector, Stamps};

use super::known::Read;

const ROUTE: &str = "/internal/v1/tokens";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Far more than the thousand tokens of a ledger have.
const LIST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most characters of a refusal that are logged.
const DETAIL_CHARS_MAX: usize = 300;

/// A client of one summary API.
pub(super) struct ApiReader {
    address: String,
    token: Option<Redacted>,
    connector: Connector,
    api: Dependency,
    /// Of the files of TLS when the client was made.
    client: Option<(Client, Stamps)>,
    /// Of the list that was read last.
    tag: Option<HeaderValue>,
}

impl ApiReader {
    pub(super) fn new(address: String, token: Option<Redacted>, connector: Connector, api: Dependency) -> Self {
        Self { address, token, connector, api, client: None, tag: None }
    }

    /// Reads the list, if it has changed.
    pub(super) async fn read(&mut self) -> Read {
        match self.ask().await {
            Ok(read) => {
                self.api.up();
                read
            }
            Err(reason) => {
                let meanwhile =
                    if self.tag.is_some() { "the tokens that were read last stay valid" } else { "no token is known" };
                self.api.down(format!("{}{ROUTE}: {reason}; until then {meanwhile}", self.address));
                Read::Failed
            }
        }
    }

    async fn ask(&mut self) -> Result<Read, String> {
        let mut request = self.client()?.get(format!("{}{ROUTE}", self.address));
        if let Some(tag) = &self.tag {
            request = request.header(IF_NONE_MATCH, tag.clone());
        }
        let mut response = request.send().await.map_err(|error| self.failure(&error))?;
        let (status, tag) = (response.status(), response.headers().get(ETAG).cloned());
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Read::Unchanged);
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(&error))? {
            if body.len() + chunk.len() > LIST_BYTES_MAX {
                return Err(format!("the list has more than {LIST_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        if status != StatusCode::OK {
            return Err(refusal(status, &body));
        }
        let text = String::from_utf8(body).map_err(|_| "the list is not UTF-8".to_owned())?;
        let tokens = Tokens::parse_file(&text).map_err(|error| format!("the list can't be read: {error}"))?;
        self.tag = tag;
        Ok(Read::Changed(tokens))
    }

    /// The client of the files of TLS as they are now.
    fn client(&mut self) -> Result<Client, String> {
        let stamps = self.connector.stamps();
        if let Some((client, of)) = &self.client
            && *of == stamps
        {
            return Ok(client.clone());
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            let mut bearer = bearer.map_err(|_| "the token can't be sent as a header".to_owned())?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let tls = self.connector.config_of_http(&self.address).map_err(|failure| failure.to_string())?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| causes::on_one_line(&error))?;
        self.client = Some((client.clone(), stamps));
        Ok(client)
    }

    /// Why there is no answer. After a failure of TLS the next request has a new client.
    fn failure(&mut self, error: &reqwest::Error) -> String {
        if let Some(failure) = tls::Failure::among(error) {
            self.client = None;
            return failure.to_string();
        }
        if error.is_timeout() {
            return "no answer in time".to_owned();
        }
        causes::innermost(error).unwrap_or_else(|| "the request failed".to_owned())
    }
}

/// The reason of a status other than success, with what to do.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let problem: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
    let detail: String = detail.unwrap_or_default().chars().take(DETAIL_CHARS_MAX).collect();
    let remedy = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            ": DWELL_API_TOKEN has to be a token with the scope ingest for the lots and gates of this gateway's senders, or \
             DWELL_INTERNAL_TOKEN the value of the summary API"
        }
        _ => "",
    };
    format!("it answers {status} ({detail}){remedy}")
}
