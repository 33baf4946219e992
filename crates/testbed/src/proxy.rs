//! A TCP proxy inside the test's process, which does to a connection what a bad network does.
//!
//! Faults take effect at once, for connections that are open and for those to come, and stay until [`Proxy::heal`].

mod connection;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ports::Lease;

/// What the proxy does with bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Delay(Duration),
    /// Nothing passes.
    BlackHole,
    /// What the server says does not pass.
    LoseReplies,
    /// A connection is reset when so many bytes have passed.
    ResetAfter(u64),
}

/// The fault of the moment; the number tells one call from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weather {
    number: u64,
    fault: Fault,
}

/// A proxy between a test's client and a server. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: Lease,
    /// `host:port`.
    upstream: Arc<StdMutex<String>>,
    weather: watch::Sender<Weather>,
    /// `None` while cut.
    open: Mutex<Option<Open>>,
}

/// A listener and its connections, which end together.
#[derive(Debug)]
struct Open {
    end: CancellationToken,
    tasks: TaskTracker,
}

impl Proxy {
    /// Starts a proxy to `upstream` (`host:port`), which need not be there yet.
    pub async fn start(upstream: impl Into<String>) -> anyhow::Result<Self> {
        let proxy = Self {
            port: Lease::take()?,
            upstream: Arc::new(StdMutex::new(upstream.into())),
            weather: watch::Sender::new(Weather { number: 0, fault: Fault::None }),
            open: Mutex::new(None),
        };
        proxy.heal().await?;
        Ok(proxy)
    }

    /// Where to connect instead of the server.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.port()))
    }

    /// A URL of the server, led through this proxy.
    ///
    /// # Panics
    /// When the URL does not contain the server's address as it was given to this proxy.
    pub fn url(&self, server_url: &str) -> String {
        let upstream = self.upstream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(server_url.contains(&upstream), "{server_url} does not lead to {upstream}");
        server_url.replacen(&upstream, &self.address().to_string(), 1)
    }

    /// Leads connections to come to another server (`host:port`).
    pub fn redirect(&self, upstream: impl Into<String>) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream.into();
    }

    /// Everything arrives later by so much, each way.
    pub fn delay(&self, delay: Duration) {
        self.set(Fault::Delay(delay));
    }

    /// Connections are accepted and stay open, and nothing passes, as when a cable is pulled.
    pub fn black_hole(&self) {
        self.set(Fault::BlackHole);
    }

    /// The server gets everything, and its replies are lost.
    pub fn lose_replies(&self) {
        self.set(Fault::LoseReplies);
    }

    /// Every connection is reset as soon as so many more bytes have passed in it, both ways together.
    pub fn reset_after(&self, bytes: u64) {
        self.set(Fault::ResetAfter(bytes));
    }

    /// Closes all connections and refuses new ones; returns when that is so.
    pub async fn cut(&self) {
        if let Some(open) = self.open.lock().await.take() {
            open.end.cancel();
            open.tasks.close();
            open.tasks.wait().await;
        }
    }

    /// Ends every fault. Connections that lost bytes are reset, as no protocol could go on with them.
    pub async fn heal(&self) -> anyhow::Result<()> {
        self.set(Fault::None);
        let mut open = self.open.lock().await;
        if open.is_some() {
            return Ok(());
        }
        let listener = TcpListener::bind(self.address()).await;
        let listener = listener.with_context(|| format!("the proxy cannot listen on {}", self.address()))?;
        let (end, tasks) = (CancellationToken::new(), TaskTracker::new());
        let upstream = Arc::clone(&self.upstream);
        let weather = self.weather.subscribe();
        tasks.spawn(accept(listener, upstream, weather, end.clone(), tasks.clone()));
        *open = Some(Open { end, tasks });
        Ok(())
    }

    fn set(&self, fault: Fault) {
        self.weather.send_modify(|weather| *weather = Weather { number: weather.number + 1, fault });
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: Arc<StdMutex<String>>,
    weather: watch::Receiver<Weather>,
    end: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            () = end.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        // A client that was gone before it was accepted is its own affair.
        let Ok((client, _)) = accepted else { continue };
        let upstream = upstream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (weather, end) = (weather.clone(), end.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = connection::serve(client, upstream, weather) => {}
            }
        });
    }
}
