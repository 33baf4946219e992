//! Connections of clients, limited in number. A client that does not speak HTTP/2 does not keep its place.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream;
use service_kit::{Backoff, Lifecycle};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tonic::transport::server::Connected;

/// A client that has not sent the beginning of HTTP/2 within this time loses its connection.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The preface of HTTP/2, and the head of the settings that follow it.
const HANDSHAKE_BYTES: usize = 24 + 9;

/// A connection, and its permit until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    /// The bytes of the handshake that are missing.
    awaited: usize,
    deadline: Pin<Box<Sleep>>,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = ();

    fn connect_info(&self) -> Self::ConnectInfo {}
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        if self.awaited == 0 {
            return read;
        }
        if read.is_pending() && self.deadline.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sent no HTTP/2")));
        }
        self.awaited = self.awaited.saturating_sub(buffer.filled().len() - before);
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// Accepts connections as long as fewer than `most` are open.
pub(super) fn connections(
    listener: TcpListener,
    most: usize,
    lifecycle: Lifecycle,
) -> impl Stream<Item = io::Result<Connection>> {
    let permits = Arc::new(Semaphore::new(most));
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    stream::unfold((listener, permits, backoff, lifecycle), |(listener, permits, mut backoff, lifecycle)| async move {
        loop {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            match listener.accept().await {
                Ok((socket, _)) => {
                    backoff.reset();
                    // Without it a connection only has small answers later.
                    drop(socket.set_nodelay(true));
                    let deadline = Box::pin(tokio::time::sleep(HANDSHAKE_MAX));
                    let connection = Connection { socket, awaited: HANDSHAKE_BYTES, deadline, _permit: permit };
                    return Some((Ok(connection), (listener, permits, backoff, lifecycle)));
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

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_does_not_keep_its_place() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let lifecycle = ServiceContext::for_testing().lifecycle;
        let mut accepted = Box::pin(connections(listener, 1, lifecycle));
        let _silent = TcpStream::connect(address).await.unwrap();
        let mut silent = accepted.next().await.unwrap().unwrap();

        let ended = silent.read_u8().await.unwrap_err();
        drop(silent);
        let _next = TcpStream::connect(address).await.unwrap();

        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
        assert!(accepted.next().await.unwrap().is_ok());
    }
}
