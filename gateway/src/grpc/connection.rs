//! Connections of clients, limited in number.

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
use tonic::transport::server::Connected;

/// A connection, and its permit until it is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
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
        Pin::new(&mut self.socket).poll_read(context, buffer)
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
                    let connection = Connection { socket, _permit: permit };
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
