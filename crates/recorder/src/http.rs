//! The recorder over HTTP, for a summary API in another process.
//!
//! One call is one request with a timeout; the error says whether to retry or to ask a person. The caller retries
//! during an outage. The tests are in `http/tests.rs`.

use std::time::Duration;

use async_trait::async_trait;
use matching::{Due, LoadRequest, Outcome, Snapshot, Unit};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use service_kit::causes;
use service_kit::traces::{TRACEPARENT, TraceContext};
use settings::Redacted;
use tls::Connector;
use url::Url;

use crate::wire::{BODY_BYTES_MAX, DUE, LOAD, MEDIA_TYPE, RECORD, REPORT, TERMS, VEHICLES_MAX};
use crate::{CorrelatorStatus, Error, LedgerInfo, Recorder};
use clients::Clients;

mod clients;
#[cfg(test)]
mod tests;

/// The timeouts, and the maximum size of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The timeout of a connection attempt.
    pub connect: Duration,
    /// The timeout of a complete answer.
    pub request: Duration,
    /// The maximum bytes of a request body and of an answer.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let (connect, request) = (Duration::from_secs(2), Duration::from_secs(10));
        Self { connect, request, body_bytes_max: BODY_BYTES_MAX }
    }
}

/// Settings that can never work.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The URL is not that of a summary API.
    #[error("DWELL_SUMMARY_API_URL={url}: {reason}; allowed is for example http://127.0.0.1:5000")]
    Address {
        /// The URL, with its password redacted.
        url: Redacted,
        /// What is wrong with it.
        reason: String,
    },
    /// The token can't be sent as a header.
    #[error(
        "the token (DWELL_API_TOKEN or DWELL_INTERNAL_TOKEN) contains a character that can't be sent; allowed are visible ASCII characters"
    )]
    Token,
    /// The authorities of the system, or a file of the settings, can't be used.
    #[error("cannot speak TLS with the summary API")]
    Tls(#[source] tls::Failure),
    /// The HTTP client can't be created.
    #[error("cannot make an HTTP client")]
    Client(#[source] reqwest::Error),
}

/// A client of the summary API with kept-alive connections.
#[derive(Debug)]
pub struct HttpRecorder {
    clients: Clients,
    /// Without a trailing slash, and without secrets.
    address: String,
    limits: Limits,
}

/// Why a request failed.
enum Failure {
    /// The request or the answer is too large; fewer items at once may work.
    TooLarge(String),
    Other(Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooLarge(text) => Self::Rejected(text),
            Failure::Other(error) => error,
        }
    }
}

impl HttpRecorder {
    /// A client of the summary API at `url`, with the shared secret of the correlators. `connector` is the TLS of an `https`
    /// address; its files are read again after a change.
    ///
    /// # Errors
    /// The URL or token can never work. Sends nothing.
    pub fn new(
        url: &Redacted,
        token: Option<&Redacted>,
        limits: Limits,
        connector: &Connector,
    ) -> Result<Self, SettingsError> {
        let address = base_address(url)?;
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(MEDIA_TYPE))]);
        if let Some(token) = token {
            let bearer = format!("Bearer {}", token.expose());
            let mut bearer = HeaderValue::try_from(bearer).map_err(|_| SettingsError::Token)?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let clients = Clients::new(&address, headers, limits, connector)?;
        Ok(Self { clients, address, limits })
    }

    /// Sends items and returns their answers in order; splits a request that would be too large.
    async fn post_list<Item, Answer>(
        &self,
        path: &str,
        items: &[Item],
        trace: Option<TraceContext>,
    ) -> Result<Vec<Answer>, Error>
    where
        Item: Serialize,
        Answer: DeserializeOwned,
    {
        let mut waiting: Vec<&[Item]> = items.chunks(VEHICLES_MAX).rev().collect();
        let mut answers = Vec::with_capacity(items.len());
        while let Some(part) = waiting.pop() {
            match self.post::<_, Vec<Answer>>(path, part, trace).await {
                Ok(answered) if answered.len() == part.len() => answers.extend(answered),
                Ok(answered) => {
                    let (asked, answered) = (part.len(), answered.len());
                    return Err(self.other_version(path, &format!("{answered} answers to {asked} questions")));
                }
                Err(Failure::TooLarge(_)) if part.len() > 1 => {
                    let (first, rest) = part.split_at(part.len() / 2);
                    waiting.extend([rest, first]);
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(answers)
    }

    /// Sends one request with a body, and decodes its answer.
    async fn post<Body, Answer>(&self, path: &str, body: &Body, trace: Option<TraceContext>) -> Result<Answer, Failure>
    where
        Body: Serialize + ?Sized,
        Answer: DeserializeOwned,
    {
        let mut request = self.request_with_body(path, body)?;
        if let Some(trace) = trace {
            request = request.header(TRACEPARENT, trace.traceparent());
        }
        let response = self.send(path, request).await?;
        self.read(path, response).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.clients.current().request(method, format!("{}{path}", self.address))
    }

    fn request_with_body<Body>(&self, path: &str, body: &Body) -> Result<RequestBuilder, Failure>
    where
        Body: Serialize + ?Sized,
    {
        let body = postcard::to_stdvec(body).expect("what travels is numbers, texts and lists of known length");
        if body.len() > self.limits.body_bytes_max {
            return Err(Failure::TooLarge(self.too_large(path, "a body")));
        }
        Ok(self.request(Method::POST, path).header(CONTENT_TYPE, MEDIA_TYPE).body(body))
    }

    /// Sends a request, and turns every answer but a success into an error.
    async fn send(&self, path: &str, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.away(path, &error))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::PAYLOAD_TOO_LARGE => Err(Failure::TooLarge(self.too_large(path, "a body"))),
            status => Err(Failure::Other(self.refusal(path, status, response).await)),
        }
    }

    async fn read<Answer: DeserializeOwned>(&self, path: &str, response: Response) -> Result<Answer, Failure> {
        let media_type = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if media_type != MEDIA_TYPE.as_bytes() {
            let other = String::from_utf8_lossy(media_type);
            return Err(Failure::Other(self.other_version(path, &format!("an answer of type {other:?}"))));
        }
        let body = self.body(path, response, self.limits.body_bytes_max).await?;
        postcard::from_bytes(&body)
            .map_err(|error| Failure::Other(self.other_version(path, &format!("an unreadable answer ({error})"))))
    }

    /// The body of an answer, up to the size limit.
    async fn body(&self, path: &str, mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.away(path, &error))? {
            if body.len() + chunk.len() > bytes_max {
                return Err(Failure::TooLarge(self.too_large(path, "an answer")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// The error of a missing or incomplete answer.
    fn away(&self, path: &str, error: &reqwest::Error) -> Failure {
        let (address, limits) = (&self.address, &self.limits);
        let what = match (error.is_timeout(), error.is_connect()) {
            (true, true) => format!("no connection within {:?}", limits.connect),
            (true, false) => format!("no answer within {:?}", limits.request),
            (false, _) => match tls::Failure::among(error) {
                Some(failure) => {
                    self.clients.renew();
                    failure.to_string()
                }
                None => causes::innermost(error).unwrap_or_else(|| "the request failed".to_owned()),
            },
        };
        Failure::Other(Error::Unavailable(format!("{address}{path}: {what}")))
    }

    /// The error of a status other than success, with what to do.
    async fn refusal(&self, path: &str, status: StatusCode, response: Response) -> Error {
        let detail = self.problem(path, response).await;
        let said = format!("{}{path} answers {status}{detail}", self.address);
        match status.as_u16() {
            408 | 425 | 429 | 500..=599 => Error::Unavailable(said),
            422 => Error::Rejected(said),
            401 | 403 => Error::Refused(format!(
                "{said}: DWELL_API_TOKEN must be a token with the scope record, or DWELL_INTERNAL_TOKEN the same value for the \
                 summary API and its correlators; and if the summary API needs certificates, DWELL_CLIENT_CERT_FILE must name one"
            )),
            300..=399 | 404 | 405 | 421 => {
                Error::Refused(format!("{said}: DWELL_SUMMARY_API_URL must be the address of a summary API"))
            }
            _ => Error::Refused(format!("{said}: summary API and correlator must be of the same version")),
        }
    }

    /// The problem's text, if the answer is a summary API's: such texts contain no secret and no plate.
    async fn problem(&self, path: &str, response: Response) -> String {
        const PROBLEM_BYTES_MAX: usize = 64 * 1024;
        const SHOWN_CHARS_MAX: usize = 300;
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        let Ok(body) = self.body(path, response, PROBLEM_BYTES_MAX).await else {
            return String::new();
        };
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => format!(" ({})", problem.detail.chars().take(SHOWN_CHARS_MAX).collect::<String>()),
            Err(_) => String::new(),
        }
    }

    fn other_version(&self, path: &str, what: &str) -> Error {
        let address = &self.address;
        Error::Refused(format!(
            "{address}{path} gives {what}: DWELL_SUMMARY_API_URL must be the address of a summary API of the same version"
        ))
    }

    fn too_large(&self, path: &str, what: &str) -> String {
        let (address, bytes_max) = (&self.address, self.limits.body_bytes_max);
        format!("{address}{path}: {what} is larger than the summary API or this correlator ({bytes_max} bytes) takes")
    }
}

#[async_trait]
impl Recorder for HttpRecorder {
    async fn info(&self) -> Result<LedgerInfo, Error> {
        let response = self.send(TERMS, self.request(Method::GET, TERMS)).await?;
        Ok(self.read(TERMS, response).await?)
    }

    async fn load(&self, requests: &[LoadRequest]) -> Result<Vec<Snapshot>, Error> {
        self.post_list(LOAD, requests, None).await
    }

    async fn record(&self, units: &[Unit], trace: TraceContext) -> Result<Vec<Outcome>, Error> {
        // If it is split, the second request may fail after the first was recorded: the caller then repeats all of
        // it.
        self.post_list(RECORD, units, Some(trace)).await
    }

    async fn due(&self, most: u32) -> Result<Vec<Due>, Error> {
        let mut most = most.min(u32::try_from(VEHICLES_MAX).unwrap_or(u32::MAX));
        loop {
            match self.post(DUE, &most, None).await {
                Err(Failure::TooLarge(_)) if most > 1 => most /= 2,
                answer => return answer.map_err(Error::from),
            }
        }
    }

    async fn report(&self, status: CorrelatorStatus) -> Result<(), Error> {
        self.send(REPORT, self.request_with_body(REPORT, &status)?).await?;
        Ok(())
    }
}

/// The base URL, to which paths are appended.
fn base_address(url: &Redacted) -> Result<String, SettingsError> {
    let wrong = |reason: String| SettingsError::Address { url: url.clone(), reason };
    let parsed = Url::parse(url.expose()).map_err(|error| wrong(format!("it is not a URL ({error})")))?;
    if !["http", "https"].contains(&parsed.scheme()) {
        return Err(wrong("its scheme is not http or https".to_owned()));
    }
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(wrong("it holds a user or a password; a token goes into DWELL_API_TOKEN".to_owned()));
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(wrong("it holds a ? or a #".to_owned()));
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}
