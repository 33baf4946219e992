//! A stream of lines, one gate event each: any number of lines, in bounded memory.
//!
//! Lines go to the bus in batches, several under way at once, several events in a message. A bus that is slow makes the
//! stream wait; an unavailable one ends it with 503. The answer comes at the end: counts, up to which line everything
//! before is confirmed or refused, and the first refusals. After a 503 the sender goes on behind that line.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use parking::Refusal;
use serde::Serialize;
use serde_json::{Value, json};
use service_kit::http::RemoteNetwork;
use tokio::time::Instant;

use crate::Gateway;
use crate::arrival::refuse_encoding;
use crate::batch::{BATCH_BYTES, Batch};
use crate::entrance::{Checks, Pass};
use crate::examine::examine;
use crate::lines::{LINE_BYTES_MAX, Line, Lines};
use crate::problem::{Problem, status};
use crate::publish::Door;
use crate::streams::StreamPermit;
use crate::verdict::Verdict;

/// How long a batch waits for its confirms.
pub(crate) const PUBLISH_DEADLINE: Duration = Duration::from_secs(10);
/// How long a stream may bring nothing.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(30);
/// A batch that is not full is sent after this long.
const LINGER: Duration = Duration::from_millis(20);
/// Batches of a stream that are under way at once.
const BATCHES_UNDER_WAY: usize = 4;
/// Memory of a stream: its batches, the one that fills, and a line.
const STREAM_BYTES: usize = (BATCHES_UNDER_WAY + 1) * (BATCH_BYTES + LINE_BYTES_MAX) + 2 * LINE_BYTES_MAX;
/// The most refusals that an answer tells.
const REFUSALS_TOLD: usize = 1_000;

/// A line that was refused.
#[derive(Debug, Serialize)]
struct RefusedLine {
    line: u64,
    member: &'static str,
    detail: String,
}

/// What has become of the lines so far.
#[derive(Debug, Default)]
struct Account {
    lines: u64,
    accepted: u64,
    filtered: u64,
    refused: u64,
    /// Those of the refused whose sender may not report them.
    denied: u64,
    /// Everything up to this line is confirmed or refused.
    settled_lines: u64,
    /// A batch was not confirmed: nothing behind it is settled.
    has_gap: bool,
    refusals: Vec<RefusedLine>,
}

impl Account {
    fn members(&self) -> Value {
        json!({
            "lines": self.lines,
            "accepted": self.accepted,
            "filtered": self.filtered,
            "refused": self.refused,
            "confirmed_lines": self.settled_lines,
            "refusals": self.refusals,
        })
    }
}

/// A batch that is confirmed: how many events, and the number of its last line.
type Confirmed = Result<(u64, u64), Problem>;
type UnderWay<'g> = FuturesOrdered<Pin<Box<dyn Future<Output = Confirmed> + Send + 'g>>>;

/// Takes a stream of lines to its end.
pub(crate) async fn take(gateway: &Gateway, pass: Pass, head: &Parts, body: Body) -> Response {
    if let Err(problem) = refuse_encoding(&head.headers) {
        return problem.into_response();
    }
    let address = head.extensions.get::<RemoteNetwork>().map(|network| network.0);
    let begun = match gateway.arrivals.begin_stream(address, STREAM_BYTES).await {
        Ok(begun) => begun,
        Err(problem) => return problem.into_response(),
    };
    let mut account = Account::default();
    let ended = Stream::new(gateway, pass, body, &begun.permit).run(&mut account).await;
    drop(begun);
    match ended {
        Ok(()) => {
            let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
            let taken = number(account.accepted + account.filtered);
            let status = status(taken, number(account.refused), number(account.denied));
            (status, axum::Json(account.members())).into_response()
        }
        Err(problem) => problem.with(account.members()).into_response(),
    }
}

struct Stream<'g> {
    gateway: &'g Gateway,
    sender: Checks,
    permit: &'g StreamPermit,
    lines: Lines,
    under_way: UnderWay<'g>,
    batch: Batch,
}

impl<'g> Stream<'g> {
    fn new(gateway: &'g Gateway, pass: Pass, body: Body, permit: &'g StreamPermit) -> Self {
        let lines = Lines::new(body, permit.pace());
        let batch = Batch::new(Door::NDJSON, Arc::clone(&gateway.context.clock));
        Self { gateway, sender: pass.checks(), permit, lines, under_way: FuturesOrdered::new(), batch }
    }

    async fn run(&mut self, account: &mut Account) -> Result<(), Problem> {
        let ended = self.read(account).await;
        // What was handed over before the stream ended in whatever way still counts.
        let sent = if ended.is_ok() { self.send(account) } else { Ok(()) };
        let mut settled = ended.and(sent);
        while let Some(confirmed) = self.under_way.next().await {
            // Later batches are still counted; the answer has the first problem.
            let of_batch = settle(confirmed, account);
            settled = settled.and(of_batch);
        }
        if settled.is_ok() {
            account.settled_lines = account.lines;
        }
        settled
    }

    /// Reads lines and hands them over, until the end.
    async fn read(&mut self, account: &mut Account) -> Result<(), Problem> {
        let mut last_line_at = Instant::now();
        loop {
            let has_room = self.under_way.len() < BATCHES_UNDER_WAY;
            let wait_until = if self.batch.is_empty() { last_line_at + IDLE_MAX } else { last_line_at + LINGER };
            tokio::select! {
                // Before the lines: of a fast client there is always one.
                biased;
                () = self.permit.ended() => {
                    let detail = "too many streams, and this one ended for another; go on behind the confirmed lines";
                    return Err(Problem::unavailable(detail));
                }
                () = self.sender.ended() => {
                    let detail = "the token of this stream is no longer valid; the lines behind the confirmed ones were not taken";
                    return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
                }
                Some(confirmed) = self.under_way.next(), if !self.under_way.is_empty() => {
                    settle(confirmed, account)?;
                    last_line_at = Instant::now();
                }
                line = self.lines.next(), if has_room => {
                    last_line_at = Instant::now();
                    let line = line.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body broke off"))?;
                    let Some(line) = line else { return Ok(()) };
                    self.take_line(line, account)?;
                }
                () = tokio::time::sleep_until(wait_until), if has_room => {
                    if self.batch.is_empty() {
                        let detail = format!("no line has arrived for {} s", IDLE_MAX.as_secs());
                        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
                    }
                    self.send(account)?;
                    last_line_at = Instant::now();
                }
                () = self.gateway.context.lifecycle.stopping() => {
                    return Err(Problem::unavailable("the gateway is stopping; go on behind the confirmed lines"));
                }
            }
        }
    }

    fn take_line(&mut self, line: Line, account: &mut Account) -> Result<(), Problem> {
        let number = self.lines.number();
        account.lines = number;
        let examined = match line {
            Line::TooLong => Err(Refusal::new("body", format!("is longer than {LINE_BYTES_MAX} bytes"))),
            Line::Text(json) => examine(&json).map(|event| (event, json)),
        };
        match examined {
            Ok((event, json)) => match self.gateway.judge(self.sender.principal(), &event, json) {
                Verdict::Publish(json) => self.batch.add(event.key.direction, &json, number),
                Verdict::Filtered(_) => account.filtered += 1,
                Verdict::Denied(refusal) => {
                    account.denied += 1;
                    self.refuse(&refusal, account);
                }
            },
            Err(refusal) => self.refuse(&refusal, account),
        }
        self.batch.last_line = number;
        if self.batch.is_full() { self.send(account) } else { Ok(()) }
    }

    fn refuse(&self, refusal: &Refusal, account: &mut Account) {
        account.refused += 1;
        self.gateway.metrics.refused.with_label_values(&[Door::NDJSON.name, refusal.member()]).inc();
        if account.refusals.len() < REFUSALS_TOLD {
            let (member, detail) = (refusal.member(), refusal.to_string());
            account.refusals.push(RefusedLine { line: account.lines, member, detail });
        }
    }

    /// Hands the batch to the bus.
    fn send(&mut self, account: &mut Account) -> Result<(), Problem> {
        let (outgoing, last_line) = self.batch.take();
        if outgoing.events() == 0 {
            return Ok(());
        }
        if self.gateway.publisher.is_away() && self.under_way.is_empty() {
            self.gateway.metrics.unavailable.with_label_values(&[Door::NDJSON.name]).inc();
            let lines = account.settled_lines;
            return Err(Problem::unavailable(format!(
                "the bus is unavailable or full. Lines up to {lines} are confirmed or refused; go on behind them, or send all again"
            )));
        }
        let (gateway, events) = (self.gateway, outgoing.events());
        self.under_way.push_back(Box::pin(async move {
            gateway.publish(outgoing, Door::NDJSON, PUBLISH_DEADLINE).await.map(|()| (events, last_line))
        }));
        Ok(())
    }
}

/// Batches are settled in their order, so everything before a settled one is settled too.
fn settle(confirmed: Confirmed, account: &mut Account) -> Result<(), Problem> {
    let (events, last_line) = confirmed.inspect_err(|_| account.has_gap = true)?;
    account.accepted += events;
    if !account.has_gap {
        account.settled_lines = last_line;
    }
    Ok(())
}
