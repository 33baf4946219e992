//! Connections of clients, with TLS or without, limited in number.
//!
//! A connection takes its place once its TLS handshake is complete and HTTP/2 has begun. So clients that connect and
//! say nothing fill no place; their handshakes have a deadline and a limit of their own, at which the oldest one ends.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use futures::Stream;
use futures::stream;
use service_kit::http::RemoteNetwork;
use service_kit::tls::Listener;
use service_kit::{Backoff, Lifecycle};
use tls::{Accepted, Protocol};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tonic::transport::server::Connected;

/// A client that has not completed TLS and sent the beginning of HTTP/2 within this time loses its connection.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The preface of HTTP/2, and the head of the settings that follow it.
const HANDSHAKE_BYTES: usize = 24 + 9;

/// How many connections there may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Those that have a place; further ones wait.
    pub(super) connections: usize,
    /// Those whose handshake is under way; a further one ends the oldest.
    pub(super) handshakes: usize,
}

/// A connection whose handshake is complete.
struct Greeted {
    stream: tls::Stream,
    /// What the handshake has read of HTTP/2.
    begin: Bytes,
    remote: RemoteNetwork,
}

/// A connection, and its permit until it is dropped.
pub(super) struct Connection {
    greeted: Greeted,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = RemoteNetwork;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.greeted.remote
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let begin = &mut self.greeted.begin;
        if begin.is_empty() {
            return Pin::new(&mut self.greeted.stream).poll_read(context, buffer);
        }
        let length = begin.len().min(buffer.remaining());
        buffer.put_slice(&begin[..length]);
        begin.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.greeted.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.greeted.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.greeted.stream).poll_shutdown(context)
    }
}

/// Accepts connections within the limits.
pub(super) fn connections(
    listener: TcpListener,
    limits: Limits,
    tls: Option<Listener>,
    lifecycle: Lifecycle,
) -> impl Stream<Item = io::Result<Connection>> {
    let permits = Arc::new(Semaphore::new(limits.connections));
    let backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
    let handshakes = Handshakes { most: limits.handshakes, tls, tasks: JoinSet::new(), order: VecDeque::new() };
    let parts = (listener, permits, backoff, handshakes, lifecycle);
    stream::unfold(parts, |(listener, permits, mut backoff, mut handshakes, lifecycle)| async move {
        loop {
            tokio::select! {
                greeted = handshakes.next() => {
                    let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
                    let connection = Connection { greeted, _permit: permit };
                    return Some((Ok(connection), (listener, permits, backoff, handshakes, lifecycle)));
                }
                accepted = listener.accept() => match accepted {
                    Ok((socket, from)) => {
                        backoff.reset();
                        handshakes.begin(socket, RemoteNetwork::of(from.ip()));
                    }
                    Err(error) => {
                        // Usually too many open files: a connection that ends makes room again.
                        tracing::warn!(%error, "cannot accept a connection");
                        if !backoff.wait(&lifecycle).await {
                            return None;
                        }
                    }
                },
            }
        }
    })
}

/// The handshakes under way.
struct Handshakes {
    most: usize,
    tls: Option<Listener>,
    tasks: JoinSet<io::Result<Greeted>>,
    /// The oldest one first.
    order: VecDeque<AbortHandle>,
}

impl Handshakes {
    fn begin(&mut self, socket: TcpStream, remote: RemoteNetwork) {
        self.order.retain(|handshake| !handshake.is_finished());
        if self.order.len() >= self.most
            && let Some(oldest) = self.order.pop_front()
        {
            oldest.abort();
        }
        self.order.push_back(self.tasks.spawn(greet(socket, self.tls.clone(), remote)));
    }

    /// The next connection whose handshake is complete; waits for one as long as it takes. May be cancelled.
    async fn next(&mut self) -> Greeted {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(Ok(greeted))) => return greeted,
                // The client was late, speaks something else, or was the oldest of too many.
                Some(Ok(Err(_)) | Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

async fn greet(socket: TcpStream, tls: Option<Listener>, remote: RemoteNetwork) -> io::Result<Greeted> {
    let deadline = Instant::now() + HANDSHAKE_MAX;
    // Without it a connection only has small answers later.
    drop(socket.set_nodelay(true));
    let mut stream = match tls {
        None => tls::Stream::Plain(socket),
        Some(tls) => match tls.accept(socket, Protocol::Grpc, HANDSHAKE_MAX).await? {
            Accepted::Tls { stream, .. } => stream,
            Accepted::Plain(_) => return Err(io::ErrorKind::InvalidData.into()),
        },
    };
    let mut begin = BytesMut::with_capacity(HANDSHAKE_BYTES);
    let beginning = async {
        while begin.len() < HANDSHAKE_BYTES {
            if stream.read_buf(&mut begin).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
        }
        Ok(())
    };
    tokio::time::timeout_at(deadline, beginning)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))?;
    Ok(Greeted { stream, begin: begin.freeze(), remote })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use service_kit::ServiceContext;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const BEGIN: &[u8; HANDSHAKE_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

    fn with_certificate(folder: &std::path::Path, context: &ServiceContext) -> Option<Listener> {
        let pair = testbed::Authority::new("of a test").unwrap().server(testbed::Flaw::None).unwrap();
        let (certificate, key) = pair.write(folder).unwrap();
        let files = [("DWELL_TLS_CERT_FILE", certificate), ("DWELL_TLS_KEY_FILE", key)];
        let settings =
            settings::Settings::from_variables(files.each_ref().map(|(name, path)| (*name, path.to_str().unwrap())));
        let (clock, registry, lifecycle) = (&context.clock, &context.registry, &context.lifecycle);
        Listener::start(&settings.unwrap(), clock, registry, lifecycle).unwrap()
    }

    /// The first connection that gets the only place, and what it has sent, while others are silent.
    async fn first_place(tls: Option<Listener>, context: &ServiceContext) -> [u8; HANDSHAKE_BYTES] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, has_tls) = (listener.local_addr().unwrap(), tls.is_some());
        let limits = Limits { connections: 1, handshakes: 8 };
        let mut accepted = Box::pin(connections(listener, limits, tls, context.lifecycle.clone()));
        let mut silent = Vec::new();
        for _ in 0..4 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let speaking = async {
            let socket = TcpStream::connect(address).await.unwrap();
            let mut stream =
                if has_tls { tls::connect_unverified(socket).await.unwrap() } else { tls::Stream::Plain(socket) };
            stream.write_all(BEGIN).await.unwrap();
            stream.flush().await.unwrap();
            stream
        };
        let (connection, _speaking) = tokio::join!(accepted.next(), speaking);
        let mut sent = [0; HANDSHAKE_BYTES];
        connection.unwrap().unwrap().read_exact(&mut sent).await.unwrap();
        sent
    }

    #[tokio::test]
    async fn clients_that_say_nothing_take_no_place() {
        assert_eq!(&first_place(None, &ServiceContext::for_testing()).await, BEGIN);
    }

    #[tokio::test]
    async fn nor_do_clients_that_begin_no_tls() {
        let (folder, context) = (tempfile::tempdir().unwrap(), ServiceContext::for_testing());
        let tls = with_certificate(folder.path(), &context);
        assert_eq!(&first_place(tls, &context).await, BEGIN);
    }

    /// Accepts connections until this one of the clients has lost its connection.
    async fn until_lost(limits: Limits, clients: usize, lost: usize) {
        let context = ServiceContext::for_testing();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepted = Box::pin(connections(listener, limits, None, context.lifecycle.clone()));
        let mut sockets = Vec::new();
        for _ in 0..clients {
            sockets.push(TcpStream::connect(address).await.unwrap());
        }
        tokio::select! {
            _ = accepted.next() => panic!("a silent client got a place"),
            read = sockets[lost].read_u8() => assert!(read.is_err()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_loses_its_connection_at_the_deadline() {
        until_lost(Limits { connections: 1, handshakes: 8 }, 1, 0).await;
    }

    #[tokio::test]
    async fn too_many_handshakes_end_the_oldest_one() {
        until_lost(Limits { connections: 1, handshakes: 2 }, 3, 0).await;
    }
}
