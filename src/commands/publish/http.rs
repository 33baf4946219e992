//! `dwell publish --http URL`: sends files of gate events to a gateway, in parts, each confirmed before the next one.
//!
//! A part is a body of lines. While the gateway or its bus is unavailable it is sent again, which is harmless.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use clap::{Arg, ArgMatches};
use event_files::{Item, Observer, Refused, RefusedLines, Verdict, atomic_file};
use parking::Refusal;
use parking::readable::counted;
use parking::wire::write_event_with;
use reqwest::redirect::Policy;
use reqwest::{StatusCode, header};
use serde::Deserialize;
use service_kit::{Backoff, ServiceContext, Unavailable};
use settings::{Redacted, redact};
use tls::Connector;
use tokio::sync::mpsc;
use url::Url;

use super::confirms::Confirms;
use crate::commands::api_client::{deepest, redirected};
use crate::commands::queues;
use crate::terminal::progress::Progress;

const HTTP: &str = "http";
const ROUTE: &str = "api/v1/events";
/// A part has at most this many events, and is sent when it has this many bytes.
const PART_EVENTS: u64 = 1_000;
const PART_BYTES: usize = 1024 * 1024;
/// Parts that wait between the file and the gateway.
const PARTS_WAITING_MAX: usize = 4;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The gateway gives up sooner.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ATTEMPTS_MAX: u32 = 10;
const DETAIL_CHARS_MAX: usize = 300;

/// Why the gateway took no more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is invalid.
    #[error("--http {address}: {problem}; allowed is for example http://127.0.0.1:8080")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No answer, or 503, for too long.
    #[error("{confirmed} confirmed before it; it is safe to publish the files again")]
    Unavailable {
        /// How many events were confirmed.
        confirmed: String,
        /// What was the matter.
        source: Unavailable,
    },
    /// The gateway refused a whole part.
    #[error("the gateway at {address} answered {status}: {detail}")]
    Status {
        /// The address.
        address: String,
        /// The status.
        status: StatusCode,
        /// The beginning of its answer.
        detail: String,
    },
}

/// The flag.
pub(super) fn flag() -> Arg {
    Arg::new(HTTP).long(HTTP).value_name("URL").help("Send to this gateway instead of the queues")
}

/// The gateway that the command line names.
pub(super) fn address(matches: &ArgMatches) -> Option<&str> {
    matches.get_one::<String>(HTTP).map(String::as_str)
}

/// Events that are sent and confirmed together.
#[derive(Debug, Default)]
struct Part {
    /// One event a line.
    lines: Vec<u8>,
    events: u64,
}

/// What the gateway says of a part.
#[derive(Debug, Deserialize)]
struct Answer {
    accepted: u64,
    filtered: u64,
    refusals: Vec<RefusedLine>,
}

#[derive(Debug, Deserialize)]
struct RefusedLine {
    line: u64,
    detail: String,
}

type Shared = Arc<Mutex<RefusedLines>>;

/// Sends the files.
pub(super) async fn publish(
    address: &str,
    files: Vec<PathBuf>,
    refused: Option<&Path>,
    token: Option<Redacted>,
    progress: &Progress,
    context: &ServiceContext,
) -> Result<Verdict, super::Error> {
    let begun = Instant::now();
    let gateway = Gateway::new(address, token, &context.connector)?;
    let confirms = Confirms::shown_by(progress);
    let observer: Arc<dyn Observer> = Arc::new(progress.clone());
    let refused: Shared = Arc::new(Mutex::new(RefusedLines::new(refused, &observer)?));
    let (parts, waiting) = mpsc::channel(PARTS_WAITING_MAX);
    let reading = tokio::task::spawn_blocking({
        let (confirms, refused) = (confirms.clone(), Arc::clone(&refused));
        move || read_events(&files, &confirms, &refused, &parts)
    });
    let sending = async {
        let sent = gateway.send(waiting, &confirms, &refused).await?;
        reading.await??;
        Ok::<_, super::Error>(sent)
    };
    let sent = tokio::select! {
        sent = sending => sent?,
        () = context.lifecycle.stopping() => return Err(queues::Error::Stopped.into()),
    };
    progress.finish();
    let refused = Arc::into_inner(refused).expect("the reading has ended, and so have its references");
    let refused = refused.into_inner().unwrap_or_else(PoisonError::into_inner);
    progress.say(&format!(
        "{} accepted by {} in {:.2} s; {} filtered, {} refused",
        counted(sent.accepted, "event"),
        gateway.shown(),
        begun.elapsed().as_secs_f64(),
        counted(sent.filtered, "event"),
        counted(refused.count(), "event"),
    ));
    Ok(refused.finish()?)
}

#[derive(Debug, Default)]
struct Sent {
    accepted: u64,
    filtered: u64,
}

#[derive(Debug)]
struct Gateway {
    http: reqwest::Client,
    url: Url,
    token: Option<Redacted>,
}

impl Gateway {
    fn new(address: &str, token: Option<Redacted>, connector: &Connector) -> Result<Self, Error> {
        let unusable = |problem: String| Error::Address { address: redact(address), problem };
        let mut url = Url::parse(address).map_err(|error| unusable(error.to_string()))?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(unusable(format!("the scheme is {:?}, and allowed are http and https", url.scheme())));
        }
        if url.path() == "/" {
            url.set_path(ROUTE);
        }
        let tls = connector.config_of_http(address).map_err(|failure| unusable(failure.to_string()))?;
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).timeout(ANSWER_TIMEOUT);
        let http = http.redirect(Policy::none()).tls_backend_preconfigured(tls);
        Ok(Self { http: http.build().map_err(|error| unusable(error.to_string()))?, url, token })
    }

    fn shown(&self) -> String {
        redact(self.url.as_str())
    }

    /// Sends the parts one after the other, so that the order of the files is kept.
    async fn send(
        &self,
        mut parts: mpsc::Receiver<Part>,
        confirms: &Confirms,
        refused: &Shared,
    ) -> Result<Sent, super::Error> {
        let mut sent = Sent::default();
        let mut before = 0;
        while let Some(part) = parts.recv().await {
            let lines = Bytes::from(part.lines);
            let answer = self.until_taken(&lines, sent.accepted).await?;
            sent.accepted += answer.accepted;
            sent.filtered += answer.filtered;
            for RefusedLine { line, detail } in answer.refusals {
                let place = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
                let text = lines.split(|byte| *byte == b'\n').nth(place).unwrap_or_default();
                let (file, refusal) = ("the gateway's answer to event", Refusal::new("event", detail));
                let taken = Refused { file, line: before + line, text, header: None, refusal: &refusal };
                refused.lock().unwrap_or_else(PoisonError::into_inner).take(&taken)?;
            }
            before += part.events;
            confirms.confirmed(part.events);
        }
        Ok(sent)
    }

    /// Sends a part until it is answered for good.
    async fn until_taken(&self, lines: &Bytes, confirmed: u64) -> Result<Answer, Error> {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        let mut attempt = 1;
        loop {
            let reason = match self.attempt(lines).await? {
                Attempt::Taken(answer) => return Ok(answer),
                Attempt::Unavailable(reason) => reason,
            };
            if attempt == ATTEMPTS_MAX {
                let reason = format!("{} does not take events: {reason}", self.shown());
                let source = Unavailable { name: "the gateway", reason };
                return Err(Error::Unavailable { confirmed: counted(confirmed, "event"), source });
            }
            tracing::debug!(%reason, attempt, "sending the part again");
            attempt += 1;
            tokio::time::sleep(backoff.next_delay()).await;
        }
    }

    async fn attempt(&self, lines: &Bytes) -> Result<Attempt, Error> {
        let mut request = self.http.post(self.url.clone()).header(header::CONTENT_TYPE, "application/x-ndjson");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        let answered = async {
            let answer = request.body(lines.clone()).send().await?;
            let redirected = redirected(answer.status(), answer.url(), answer.headers());
            Ok::<_, reqwest::Error>((answer.status(), redirected, answer.bytes().await?))
        };
        let (status, redirected, body) = match answered.await {
            Ok(answered) => answered,
            Err(error) => return Ok(Attempt::Unavailable(deepest(&error))),
        };
        let detail = || String::from_utf8_lossy(&body).chars().take(DETAIL_CHARS_MAX).collect::<String>();
        if let Some(detail) = redirected {
            return Err(Error::Status { address: self.shown(), status, detail });
        }
        // 403 is an answer too where the token may report none of the events.
        let is_answer =
            [StatusCode::ACCEPTED, StatusCode::MULTI_STATUS, StatusCode::UNPROCESSABLE_ENTITY, StatusCode::FORBIDDEN];
        match serde_json::from_slice(&body) {
            Ok(answer) if is_answer.contains(&status) => Ok(Attempt::Taken(answer)),
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Ok(Attempt::Unavailable(format!("{status}: {}", detail())))
            }
            _ => Err(Error::Status { address: self.shown(), status, detail: detail() }),
        }
    }
}

#[derive(Debug)]
enum Attempt {
    Taken(Answer),
    Unavailable(String),
}

/// Reads the files to their end, or until the parts have no receiver.
fn read_events(
    files: &[PathBuf],
    confirms: &Confirms,
    refused: &Shared,
    parts: &mpsc::Sender<Part>,
) -> Result<(), super::Error> {
    let mut part = Part::default();
    let mut failed: Option<atomic_file::Error> = None;
    let observer: Arc<dyn Observer> = Arc::new(confirms.clone());
    event_files::read(files, &observer, &mut |item| match item {
        Item::Event { event, certainty, supersedes, json } => {
            confirms.read();
            match json {
                // A line end within JSON is never part of a string.
                Some(json) => {
                    part.lines.extend(json.iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte }));
                }
                None => write_event_with(&event, certainty.as_deref(), supersedes, &mut part.lines),
            }
            part.lines.push(b'\n');
            part.events += 1;
            let is_full = part.events == PART_EVENTS || part.lines.len() >= PART_BYTES;
            if is_full { pass_on(&mut part, parts) } else { ControlFlow::Continue(()) }
        }
        Item::Refused(line) => match refused.lock().unwrap_or_else(PoisonError::into_inner).take(&line) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    })?;
    if part.events > 0 && pass_on(&mut part, parts).is_break() {
        tracing::debug!("the last part has no receiver; the sender reports why");
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

fn pass_on(part: &mut Part, parts: &mpsc::Sender<Part>) -> ControlFlow<()> {
    if parts.blocking_send(std::mem::take(part)).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

#[cfg(test)]
mod tests;
