//! A connection's byte stream that replaces what the library can't parse in a delivery, before the library parses it.
//!
//! Other frames pass unchanged. A content header, or a short method such as a delivery, is held until it is complete,
//! checked by [`nesting`] and [`texts`], and passed on with the same length. [`Guard`] makes the library use this
//! stream.

use std::future::Future;
use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_compat::Compat;
use async_rs::Runtime;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use futures::Stream;
use futures::io::{AsyncRead, AsyncWrite};
use lapin::protocol::constants::{FRAME_HEADER, FRAME_METHOD};

use super::{nesting, texts};

/// Type, channel and length precede the payload of a frame.
const HEAD_BYTES: usize = 7;
/// The maximum size of a content header; brokers send at most 128 KiB by default.
const HEADER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A delivery has three short strings, and 13 bytes besides.
const DELIVERY_BYTES_MAX: usize = 3 * 256 + 13;
const READ_BYTES: usize = 4096;

/// The runtime of a guarded connection: tokio's, with another stream type.
pub(super) fn runtime() -> Runtime<RuntimeParts<async_rs::Tokio, Guard>> {
    let tokio = async_rs::Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), Guard(tokio)))
}

/// A stream with limited content headers.
#[derive(Debug)]
pub(super) struct Guarded<S> {
    inner: S,
    /// The remaining bytes of a frame that passes unchanged.
    passing: usize,
    /// The beginning of an incomplete frame, after the bytes that may pass.
    held: Vec<u8>,
    /// This many bytes at the beginning of `held` may pass.
    checked: usize,
    /// A replacement was logged; one publisher may cause thousands.
    has_warned: bool,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, passing: 0, held: Vec::new(), checked: 0, has_warned: false }
    }

    /// Checks the received bytes. Returns how many may pass; the rest is the beginning of a frame.
    fn check(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut at = 0;
        loop {
            let passed = self.passing.min(bytes.len() - at);
            self.passing -= passed;
            at += passed;
            let Some(&[kind, _, _, a, b, c, d]) = bytes[at..].first_chunk::<HEAD_BYTES>() else { return Ok(at) };
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            // One byte marks the end of a frame.
            let whole = length.saturating_add(HEAD_BYTES + 1);
            let is_method = kind == FRAME_METHOD && length <= DELIVERY_BYTES_MAX;
            if kind != FRAME_HEADER && !is_method {
                self.passing = whole;
                continue;
            }
            if length > HEADER_BYTES_MAX {
                let problem = format!("the broker sent headers of {length} bytes; {HEADER_BYTES_MAX} is the most");
                return Err(Error::new(ErrorKind::InvalidData, problem));
            }
            let Some(frame) = bytes.get_mut(at..at + whole) else { return Ok(at) };
            let payload = &mut frame[HEAD_BYTES..HEAD_BYTES + length];
            let is_replaced = if is_method {
                texts::repair_delivery(payload)
            } else {
                let is_replaced = nesting::bound(payload);
                texts::repair_content_header(payload) || is_replaced
            };
            if is_replaced && !std::mem::replace(&mut self.has_warned, true) {
                tracing::warn!(
                    "a message has headers that are nested too deep or can't be parsed, or texts that are not UTF-8; they are \
                     replaced, and further ones of this connection are not logged"
                );
            }
            at += whole;
        }
    }

    /// Reads from the checked bytes.
    fn take(&mut self, out: &mut [u8]) -> usize {
        let count = self.checked.min(out.len());
        out[..count].copy_from_slice(&self.held[..count]);
        self.held.drain(..count);
        self.checked -= count;
        count
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        while !out.is_empty() {
            if this.checked > 0 {
                return Poll::Ready(Ok(this.take(out)));
            }
            if this.held.is_empty() {
                let read = ready!(Pin::new(&mut this.inner).poll_read(context, out))?;
                let passed = this.check(&mut out[..read])?;
                this.held.extend_from_slice(&out[passed..read]);
                if passed > 0 || read == 0 {
                    return Poll::Ready(Ok(passed));
                }
            } else {
                let mut more = [0; READ_BYTES];
                let read = ready!(Pin::new(&mut this.inner).poll_read(context, &mut more))?;
                if read == 0 {
                    // Never parses an incomplete frame.
                    return Poll::Ready(Ok(0));
                }
                let mut held = std::mem::take(&mut this.held);
                held.extend_from_slice(&more[..read]);
                this.checked = this.check(&mut held)?;
                this.held = held;
            }
        }
        Poll::Ready(Ok(0))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(context, slices)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_close(context)
    }
}

/// Tokio's reactor with guarded streams.
#[derive(Debug, Clone)]
pub(super) struct Guard(async_rs::Tokio);

impl Reactor for Guard {
    type TcpStream = Guarded<Compat<tls::Stream>>;
    type Sleep = <async_rs::Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Guarded::new(Compat::new(tls::Stream::Plain(connecting.await?.into_inner())))) }
    }
}

#[cfg(test)]
mod tests {
    use futures::io::{AsyncReadExt as _, Cursor};

    use super::super::nesting::tests::payload;
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1], &length[..], payload, &[0xce]].concat()
    }

    /// A stream that returns at most this many bytes per read.
    struct InPieces(Cursor<Vec<u8>>, usize);

    impl AsyncRead for InPieces {
        fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
            let most = self.1.min(out.len());
            Pin::new(&mut self.0).poll_read(context, &mut out[..most])
        }
    }

    async fn passed(bytes: &[u8], at_once: usize, room: usize) -> Vec<u8> {
        let mut stream = Guarded::new(InPieces(Cursor::new(bytes.to_vec()), at_once));
        let (mut all, mut out) = (Vec::new(), vec![0; room]);
        loop {
            let read = stream.read(&mut out).await.unwrap();
            if read == 0 {
                return all;
            }
            all.extend_from_slice(&out[..read]);
        }
    }

    #[tokio::test]
    async fn frames_pass_unchanged_however_they_are_cut_but_for_headers_that_are_nested_too_deep() {
        let mut flat = payload(300);
        assert!(nesting::bound(&mut flat));
        let frames = |deep: &[u8]| {
            let body = [FRAME_HEADER; 5_000];
            [
                frame(1, b"method"),
                frame(FRAME_HEADER, &payload(3)),
                frame(3, &body),
                frame(8, b""),
                frame(FRAME_HEADER, deep),
            ]
            .concat()
        };
        let (sent, expected) = (frames(&payload(300)), frames(&flat));
        for at_once in [1, 2, 3, 7, 8, 9, 50, 1_000, 4_096, 100_000] {
            for room in [1, 5, 64, 8_192, 200_000] {
                assert!(passed(&sent, at_once, room).await == expected, "{at_once} at once into {room}");
            }
        }
    }

    #[tokio::test]
    async fn a_stream_that_ends_within_a_frame_ends() {
        let whole = frame(FRAME_HEADER, &payload(3));
        for length in 0..whole.len() {
            assert!(passed(&whole[..length], 10, 100).await.is_empty());
        }
        assert!(passed(&whole, 10, 100).await == whole);
    }

    #[tokio::test]
    async fn a_header_beyond_all_measure_is_refused() {
        let head = [FRAME_HEADER, 0, 1, 0xff, 0xff, 0xff, 0xff];
        let mut stream = Guarded::new(Cursor::new(head.to_vec()));
        let refused = stream.read(&mut [0; 100]).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
    }
}
