//! A client of the summary API: one request at a time, each with a timeout and a size limit.
//!
//! The address comes from `--api`, else from the settings. The caller interprets the answers.

use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use service_kit::{Backoff, Unavailable, causes};
use settings::{API_TOKEN, INTERNAL_TOKEN, OF_COMMANDS, OF_LINKS, Redacted, SUMMARY_API_URL, Settings, redact};
use tls::{Connector, Failure};
use url::Url;

const API: &str = "api";
const DEFAULT_API: &str = "http://127.0.0.1:5000";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The maximum bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// The maximum attempts of a request, if retrying may help.
const ATTEMPTS_MAX: u32 = 8;
/// The maximum characters of a refusal that are shown.
const DETAIL_CHARS_MAX: usize = 300;

/// Why there is no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unreachable, or no answer in time.
    #[error("{0}")]
    Unavailable(#[source] Unavailable),
    /// The summary API refused or failed.
    #[error("the summary API at {address} answered {status}: {detail}")]
    Status {
        /// The address.
        address: String,
        /// The status.
        status: StatusCode,
        /// The detail of its answer.
        detail: String,
    },
    /// The answer has an unexpected form.
    #[error("what answers at {address} is no summary API of this version: {problem}")]
    Strange {
        /// The address.
        address: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// The address is invalid.
    #[error("cannot ask {address}: {problem}; allowed is for example http://127.0.0.1:5000")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl Error {
    /// Whether retrying may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Status { status, .. } => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Strange { .. } | Self::Address { .. } => false,
        }
    }
}

/// Whether to retry while the summary API is unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    Some,
}

/// A client of the summary API at one address.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    token: Option<Redacted>,
}

impl Client {
    /// For answers of limited length.
    pub(crate) fn new(address: &str, connector: &Connector) -> Result<Self, Error> {
        Self::with(address, reqwest::Client::builder().timeout(ANSWER_TIMEOUT), connector)
    }

    /// For endless answers, which send something at least this often.
    pub(crate) fn of_streams(address: &str, silence_max: Duration, connector: &Connector) -> Result<Self, Error> {
        Self::with(address, reqwest::Client::builder().read_timeout(silence_max), connector)
    }

    fn with(address: &str, http: ClientBuilder, connector: &Connector) -> Result<Self, Error> {
        let unusable = |problem: String| Error::Address { address: redact(address), problem };
        let mut base = Url::parse(address).map_err(|error| unusable(error.to_string()))?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        // The summary API is nearby: the environment's proxy is for the internet.
        let tls = connector.config_of_http(base.as_str()).map_err(|failure| unusable(failure.to_string()))?;
        let http = http.no_proxy().redirect(Policy::none()).connect_timeout(CONNECT_TIMEOUT);
        let http = http.tls_backend_preconfigured(tls).build();
        Ok(Self { http: http.map_err(|error| unusable(error.to_string()))?, base, token: None })
    }

    /// The client with a token, sent with each request.
    pub(crate) fn showing(self, token: Option<Redacted>) -> Self {
        Self { token, ..self }
    }

    /// The answer to a GET of `path` below the address.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        patience: Patience,
    ) -> Result<T, Error> {
        let mut backoff = Backoff::default();
        let mut attempt = 1;
        loop {
            match self.get_once(path, query).await {
                Err(error) if patience == Patience::Some && error.may_pass() && attempt < ATTEMPTS_MAX => {
                    tracing::debug!(%error, attempt, "retrying the request");
                    attempt += 1;
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                answered => return answered,
            }
        }
    }

    async fn get_once<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, Error> {
        let response = self.open(path, query).await?;
        self.read(path, response).await
    }

    /// The answer to a POST of JSON to `path` below the address.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Error> {
        let response = self.send(Method::POST, path, &[], Some(body)).await?;
        self.read(path, response).await
    }

    /// The JSON of an answer of `path`.
    pub(crate) async fn read<T: DeserializeOwned>(&self, path: &str, mut response: Response) -> Result<T, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unavailable(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(self.strange(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        // The text of serde's errors may quote a plate.
        serde_json::from_slice(&body).map_err(|error| {
            self.strange(format!(
                "its answer is not the JSON of /{path} (line {} column {})",
                error.line(),
                error.column()
            ))
        })
    }

    /// The beginning answer to a GET of `path`; a refusal is an error.
    pub(crate) async fn open(&self, path: &str, query: &[(&str, &str)]) -> Result<Response, Error> {
        self.send::<()>(Method::GET, path, query, None).await
    }

    /// The answer to a request with a JSON body, or without one; a refusal is an error.
    pub(crate) async fn send<T: Serialize>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&T>,
    ) -> Result<Response, Error> {
        let mut url = self.base.join(path).map_err(|error| self.strange(error.to_string()))?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|error| self.unavailable(&error))?;
        let status = response.status();
        if [StatusCode::OK, StatusCode::CREATED, StatusCode::NO_CONTENT].contains(&status) {
            return Ok(response);
        }
        if let Some(detail) = redirected(status, response.url(), response.headers()) {
            return Err(Error::Status { address: self.address(), status, detail });
        }
        let mut body = Vec::new();
        while body.len() < REFUSAL_BYTES_MAX
            && let Ok(Some(chunk)) = response.chunk().await
        {
            body.extend_from_slice(&chunk);
        }
        Err(Error::Status { address: self.address(), status, detail: detail(&body) })
    }

    fn address(&self) -> String {
        redact(self.base.as_str())
    }

    /// The error of an unexpected answer; `problem` must not contain a plate.
    pub(crate) fn strange(&self, problem: String) -> Error {
        Error::Strange { address: self.address(), problem }
    }

    /// The error of an unreachable summary API.
    fn unavailable(&self, error: &reqwest::Error) -> Error {
        let (address, cause) = (self.address(), deepest(error));
        let reason = format!(
            "{address} does not answer ({cause}); start dwell or the summary API, or name its address with --api or \
             DWELL_SUMMARY_API_URL"
        );
        Error::Unavailable(Unavailable { name: "the summary API", reason })
    }
}

/// The flag with the address of the summary API.
pub(crate) fn flag() -> Arg {
    let help = format!("The summary API; else {}, else {DEFAULT_API}", SUMMARY_API_URL.name);
    Arg::new(API).long(API).value_name("URL").help(help)
}

/// The command with a help of the settings for the address of the summary API and the token.
pub(crate) fn reading(command: Command) -> Command {
    settings::reading(command, &[&[&SUMMARY_API_URL, &API_TOKEN], OF_LINKS, OF_COMMANDS])
}

/// The token of a client that reads.
pub(crate) fn token(settings: &Settings) -> Result<Option<Redacted>, settings::Error> {
    settings.secret(&API_TOKEN)
}

/// The token of a client that uses the routes of correlators, which also accept the internal token.
pub(crate) fn token_of_correlators(settings: &Settings) -> Result<Option<Redacted>, settings::Error> {
    Ok(token(settings)?.or(settings.secret(&INTERNAL_TOKEN)?))
}

/// Whether the command line names the summary API.
pub(crate) fn is_flagged(matches: &ArgMatches) -> bool {
    matches.contains_id(API)
}

/// Whether an address of the summary API was given.
pub(crate) fn is_named(matches: &ArgMatches, settings: &Settings) -> bool {
    matches.contains_id(API) || settings.text(&SUMMARY_API_URL).is_some()
}

/// The address of the summary API.
pub(crate) fn address(matches: &ArgMatches, settings: &Settings) -> Result<String, settings::Error> {
    let given = match matches.get_one::<String>(API) {
        Some(url) => settings.clone().with(&SUMMARY_API_URL, url),
        None => settings.clone(),
    };
    let url = given.url(&SUMMARY_API_URL, &["http", "https"]).map_err(|mut error| {
        if let settings::Error::Wrong { name, .. } = &mut error
            && matches.contains_id(API)
        {
            *name = format!("--{API}");
        }
        error
    })?;
    Ok(url.map_or_else(|| DEFAULT_API.to_owned(), |url| url.expose().to_owned()))
}

/// A client for a question or two at this address, without a proxy and without following redirects.
pub(crate) fn once(address: &str, timeout: Duration, connector: &Connector) -> Result<reqwest::Client, String> {
    once_with(connector.config_of_http(address).map_err(|failure| failure.to_string())?, timeout)
}

/// The detail of a redirect, which no client follows: it may lead to another server, or away from TLS. Shows no path
/// and no query, which may have a plate.
pub(crate) fn redirected(status: StatusCode, asked: &Url, headers: &HeaderMap) -> Option<String> {
    let location = headers.get(LOCATION).filter(|_| status.is_redirection())?;
    let target = location.to_str().ok().and_then(|location| asked.join(location).ok())?;
    let origin = target.origin().ascii_serialization();
    Some(format!("a redirect to {origin}, which is not followed; name the address of the service itself"))
}

/// Like [`once`], for a service of this machine, whose certificate is seldom for the address: accepts any certificate,
/// so send no secret.
pub(crate) fn once_here(timeout: Duration) -> Result<reqwest::Client, String> {
    let tls = tls::unverified().map_err(|error| error.to_string())?;
    once_with(tls, timeout)
}

fn once_with(tls: tls::ClientConfig, timeout: Duration) -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder().no_proxy().redirect(Policy::none()).timeout(timeout);
    builder.tls_backend_preconfigured(tls).build().map_err(|error| error.to_string())
}

/// The innermost cause of a failed request.
pub(crate) fn deepest(error: &reqwest::Error) -> String {
    match Failure::among(error) {
        Some(failure) => failure.to_string(),
        None => causes::innermost(error).unwrap_or_else(|| "no answer".to_owned()),
    }
}

/// The detail of a problem document, or the beginning of another body.
fn detail(body: &[u8]) -> String {
    let problem: Option<Value> = serde_json::from_slice(body).ok();
    let member = |name: &str| problem.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let said = member("detail").or_else(|| member("title"));
    let said = said.unwrap_or_else(|| String::from_utf8_lossy(body).replace(char::is_control, " "));
    said.chars().take(DETAIL_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
