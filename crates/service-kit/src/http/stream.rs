//! The socket of a connection: reports arriving data to its [`Slot`], and ends the connection if a head takes too
//! long, or if the client reads nothing of an answer.

use std::future::Future as _;
use std::io::{ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_io_timeout::TimeoutStream;

use super::limits::Limits;
use super::slots::Slot;

/// A socket with timeouts.
pub(super) struct Stream {
    socket: Pin<Box<TimeoutStream<tls::Stream>>>,
    slot: Arc<Slot>,
    head_max: Duration,
    /// Elapses if the current head takes too long.
    head_deadline: Pin<Box<Sleep>>,
    is_stalled: bool,
}

impl Stream {
    /// The socket of an accepted connection.
    pub(super) fn new(socket: tls::Stream, slot: Arc<Slot>, limits: &Limits) -> Self {
        let mut socket = TimeoutStream::new(socket);
        socket.set_write_timeout(Some(limits.answer));
        Self {
            socket: Box::pin(socket),
            slot,
            head_max: limits.head,
            head_deadline: Box::pin(sleep(limits.head)),
            is_stalled: false,
        }
    }

    fn wrote<T>(&mut self, written: Poll<Result<T>>) -> Poll<Result<T>> {
        if self.is_stalled != written.is_pending() {
            self.is_stalled = written.is_pending();
            self.slot.set_stalled(self.is_stalled);
        }
        written
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = self.socket.as_mut().poll_read(context, buffer);
        if read.is_pending() {
            let is_late = self.slot.is_reading_head() && self.head_deadline.as_mut().poll(context).is_ready();
            return if is_late { Poll::Ready(Err(ErrorKind::TimedOut.into())) } else { Poll::Pending };
        }
        if buffer.filled().len() > before && self.slot.received() {
            let deadline = Instant::now() + self.head_max;
            self.head_deadline.as_mut().reset(deadline);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let written = self.socket.as_mut().poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = self.socket.as_mut().poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        // With TLS, an answer waits here: it is encrypted into a buffer before it is sent.
        let flushed = self.socket.as_mut().poll_flush(context);
        self.wrote(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.socket.as_mut().poll_shutdown(context)
    }
}
