//! Connections of clients, with TLS or without, limited in number. A client that does not speak HTTP/2 does not keep
//! its place.
//!
//! A connection is accepted before its TLS handshake, which goes on when the server reads from it: so a slow handshake
//! delays no other connection.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::Stream;
use futures::stream;
use service_kit::{Backoff, Lifecycle};
use tls::{Accepted, Protocol};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

/// A client that has not completed TLS and sent the beginning of HTTP/2 within this time loses its connection.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The preface of HTTP/2, and the head of the settings that follow it.
const HANDSHAKE_BYTES: usize = 24 + 9;

type Accepting = Pin<Box<dyn Future<Output = io::Result<Accepted>> + Send>>;

enum State {
    Handshake(Accepting),
    Open(tls::Stream),
    Failed,
}

impl State {
    /// The state of an accepted socket.
    fn of(socket: TcpStream, tls: Option<&service_kit::tls::Listener>) -> Self {
        match tls.cloned() {
            Some(tls) => {
                Self::Handshake(Box::pin(async move { tls.accept(socket, Protocol::Grpc, HANDSHAKE_MAX).await }))
            }
            None => Self::Open(tls::Stream::Plain(socket)),
        }
    }
}

/// A connection, and its permit until it is dropped.
pub(super) struct Connection {
    state: State,
    /// The bytes of the handshake that are missing.
    awaited: usize,
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl Connection {
    /// The stream, once the handshake is complete.
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<io::Result<&mut tls::Stream>> {
        if let State::Handshake(accepting) = &mut self.state {
            let accepted = ready!(accepting.as_mut().poll(context));
            self.state = State::Failed;
            match accepted? {
                Accepted::Tls { stream, .. } => self.state = State::Open(stream),
                Accepted::Plain(_) => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
            }
        }
        match &mut self.state {
            State::Open(stream) => Poll::Ready(Ok(stream)),
            State::Handshake(_) | State::Failed => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client sent no HTTP/2")
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(ready!(self.poll_open(context))?).poll_read(context, buffer);
        if self.awaited == 0 {
            return read;
        }
        if read.is_pending() && self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(late()));
        }
        self.awaited = self.awaited.saturating_sub(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(ready!(self.poll_open(context))?).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(ready!(self.poll_open(context))?).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(ready!(self.poll_open(context))?).poll_shutdown(context)
    }
}

/// Accepts connections as long as fewer than `most` are open.
pub(super) fn connections(
    listener: TcpListener,
    most: usize,
    tls: Option<service_kit::tls::Listener>,
    lifecycle: Lifecycle,
) -> impl Stream<Item = io::Result<Connection>> {
    let permits = Arc::new(Semaphore::new(most));
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    let parts = (listener, permits, backoff, tls, lifecycle);
    stream::unfold(parts, |(listener, permits, mut backoff, tls, lifecycle)| async move {
        loop {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((socket, _)) => {
                    backoff.reset();
                    // Without it a connection only has small answers later.
                    drop(socket.set_nodelay(true));
                    let deadline = Box::pin(tokio::time::sleep(HANDSHAKE_MAX));
                    let state = State::of(socket, tls.as_ref());
                    let connection = Connection { state, awaited: HANDSHAKE_BYTES, deadline, _permit: permit };
                    return Some((Ok(connection), (listener, permits, backoff, tls, lifecycle)));
                }
                Err(error) => {
                    // Usually too many open files: a connection that ends makes room again.
                    tracing::warn!(%error, "cannot accept a connection");
                    if !backoff.wait(&lifecycle).await {
                        return None;
                    }
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use service_kit::ServiceContext;
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn loses_its_place(tls: Option<service_kit::tls::Listener>, context: &ServiceContext) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepted = Box::pin(connections(listener, 1, tls, context.lifecycle.clone()));
        let _silent = TcpStream::connect(address).await.unwrap();
        let mut silent = accepted.next().await.unwrap().unwrap();

        let ended = silent.read_u8().await.unwrap_err();
        drop(silent);
        let _next = TcpStream::connect(address).await.unwrap();

        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert!(accepted.next().await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_does_not_keep_its_place() {
        loses_its_place(None, &ServiceContext::for_testing()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn nor_does_a_client_that_begins_no_tls() {
        let folder = tempfile::tempdir().unwrap();
        let pair = testbed::Authority::new("of a test").unwrap().server(testbed::Flaw::None).unwrap();
        let (certificate, key) = pair.write(folder.path()).unwrap();
        let files = [("DWELL_TLS_CERT_FILE", certificate), ("DWELL_TLS_KEY_FILE", key)];
        let settings =
            settings::Settings::from_variables(files.each_ref().map(|(name, path)| (*name, path.to_str().unwrap())));
        let context = ServiceContext::for_testing();
        let (clock, registry, lifecycle) = (&context.clock, &context.registry, &context.lifecycle);
        let tls = service_kit::tls::Listener::start(&settings.unwrap(), clock, registry, lifecycle).unwrap();

        loses_its_place(tls, &context).await;
    }
}
