//! The bodies of requests and replies. They report to the [`Slot`] of their connection when a request is complete,
//! and when it has been answered.
//!
//! `server` owns the connections.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

use super::slots::Slot;

/// A request body that did not arrive in time.
#[derive(Debug, thiserror::Error)]
#[error("the request body did not arrive within {} s", .0.as_secs_f64())]
struct TooSlow(Duration);

/// A request body with a timeout for all of it.
pub(super) struct TimedBody {
    body: Incoming,
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    slot: Arc<Slot>,
}

impl TimedBody {
    /// The body of a request, which must be complete within `limit` from now.
    pub(super) fn within(body: Incoming, limit: Duration, slot: Arc<Slot>) -> Body {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(Self { body, limit, deadline: Box::pin(tokio::time::sleep(limit)), slot })
    }
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        // The timeout first: it also applies to a client that sends faster than the route reads.
        if self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(TooSlow(self.limit).into())));
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) {
            self.slot.body_finished();
        }
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        self.slot.body_finished();
    }
}

/// A request that is being answered. Dropping it means that it has been answered.
#[derive(Debug)]
pub(super) struct Request(Option<Arc<Slot>>);

impl Request {
    /// The request that the connection of `slot` has begun.
    pub(super) fn at(slot: Arc<Slot>) -> Self {
        Self(Some(slot))
    }

    /// The connection switches to another protocol, so the answer never ends.
    pub(super) fn never_ends(mut self) -> Self {
        self.0 = None;
        self
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(slot) = &self.0 {
            slot.answered();
        }
    }
}

/// A reply body. Its end means that the request has been answered.
pub(super) struct ReplyBody {
    body: Body,
    _request: Request,
}

impl ReplyBody {
    pub(super) fn new(body: Body, request: Request) -> Self {
        Self { body, _request: request }
    }
}

impl HttpBody for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
