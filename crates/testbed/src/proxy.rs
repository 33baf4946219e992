//! A TCP proxy inside the test's process, with the faults of a bad network.
//!
//! Faults take effect at once, for open and new connections, and stay until [`Proxy::heal`].

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

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Delay(Duration),
    /// Nothing passes.
    BlackHole,
    /// The server's replies are dropped.
    LoseReplies,
    /// A connection is reset after this many bytes.
    ResetAfter(u64),
}

/// The current faults; the number distinguishes one call from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weather {
    number: u64,
    fault: Fault,
}

/// A proxy between a test's client and a server. Dropping it ends it.
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
    /// Starts a proxy to `upstream` (`host:port`), which may start later.
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

    /// The address to connect to instead of the server.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.port()))
    }

    /// The server's URL with the address of this proxy.
    ///
    /// # Panics
    /// The URL does not contain the server's address as it was given to this proxy.
    pub fn url(&self, server_url: &str) -> String {
        let upstream = self.upstream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(server_url.contains(&upstream), "{server_url} does not lead to {upstream}");
        server_url.replacen(&upstream, &self.address().to_string(), 1)
    }

    /// Connects new connections to another server (`host:port`).
    pub fn redirect(&self, upstream: impl Into<String>) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream.into();
    }

    /// Delays everything by this time, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.set(Fault::Delay(delay));
    }

    /// Accepts connections and keeps them open, but passes nothing, as with an unplugged cable.
    pub fn black_hole(&self) {
        self.set(Fault::BlackHole);
    }

    /// Passes everything to the server, and drops its replies.
    pub fn lose_replies(&self) {
        self.set(Fault::LoseReplies);
    }

    /// Resets every connection after this many further bytes, of both directions together.
    pub fn reset_after(&self, bytes: u64) {
        self.set(Fault::ResetAfter(bytes));
    }

    /// Closes all connections and refuses new ones; returns when this is done.
    pub async fn cut(&self) {
        if let Some(open) = self.open.lock().await.take() {
            open.end.cancel();
            open.tasks.close();
            open.tasks.wait().await;
        }
    }

    /// Ends every fault. Connections that lost bytes are reset, since no protocol could continue on them.
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
        // A client that disconnected before it was accepted does not matter.
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
