//! One connection to the broker: opening, watching, closing it, and classifying its errors.
//!
//! The library may hang while connecting or closing, and then keeps a thread. So we own the socket: shutting it down
//! ends any call of the library. The supervisors decide when to reconnect.

use std::fmt;
use std::future::Future;
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_compat::CompatExt as _;
use futures::stream::{BoxStream, StreamExt as _};
use lapin::types::ShortString;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, ErrorKind, Event};
use service_kit::Dependency;
use settings::Redacted;
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::guarded::{self, Guarded};
use crate::{BusConfig, Error, Queue};

/// The timeout of each answer of the broker.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// The timeout for a regular close.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// The heartbeat in seconds, unless the URL sets another one.
const HEARTBEAT_S: u16 = 10;
/// How often a connection is checked, in case the library reports nothing.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Reply codes of AMQP 0-9-1.
mod code {
    pub(super) const ACCESS_REFUSED: u16 = 403;
    pub(super) const NOT_FOUND: u16 = 404;
    pub(super) const PRECONDITION_FAILED: u16 = 406;
    pub(super) const NOT_ALLOWED: u16 = 530;
}

/// Why a connection does not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// Permanent: somebody has to change the configuration, as the text says.
    Config(String),
    /// Temporary: retried.
    Passing(String),
}

/// The refusals of a broker that we tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The user lacks the permission.
    Access,
    /// The object does not exist.
    NotFound,
    /// The object exists with other arguments.
    Precondition,
    /// The user may not use this virtual host, or it does not exist.
    VirtualHost,
}

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The broker refused, or the connection broke.
    #[error("{what}: {error}")]
    Failed {
        /// The step.
        what: &'static str,
        /// The library's error.
        error: lapin::Error,
    },
    /// No answer in time.
    #[error("{what}: no answer in {ANSWER_DEADLINE:?}")]
    NoAnswer {
        /// The step.
        what: &'static str,
    },
}

/// Runs a step with the timeout of one answer.
pub(super) async fn within<T>(what: &'static str, step: impl Future<Output = lapin::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(ANSWER_DEADLINE, step).await {
        Ok(ended) => ended.map_err(|error| Failure::Failed { what, error }),
        Err(_) => Err(Failure::NoAnswer { what }),
    }
}

impl Failure {
    /// The broker's refusal and its text, if the error is one.
    pub(super) fn refusal(&self) -> Option<(Refusal, &str)> {
        let Self::Failed { error, .. } = self else { return None };
        let ErrorKind::ProtocolError(error) = error.kind() else { return None };
        let refusal = match error.get_id() {
            code::ACCESS_REFUSED => Refusal::Access,
            code::NOT_FOUND => Refusal::NotFound,
            code::PRECONDITION_FAILED => Refusal::Precondition,
            code::NOT_ALLOWED => Refusal::VirtualHost,
            _ => return None,
        };
        Some((refusal, error.get_message().as_str()))
    }

    /// The broker's refusal of the login, if the error is one. A connection limit is temporary, not a configuration
    /// problem.
    pub(super) fn refusal_of_login(&self) -> Option<(Refusal, &str)> {
        self.refusal().filter(|(refusal, said)| {
            matches!(refusal, Refusal::Access | Refusal::VirtualHost) && !said.contains("limit")
        })
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Passing(failure.to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Config(text) | Self::Passing(text)) = self;
        formatter.write_str(text)
    }
}

/// The broker's address and settings. `Debug` shows no password.
pub(super) struct Broker {
    uri: AMQPUri,
    shown: String,
    pub(super) config: BusConfig,
}

impl Broker {
    pub(super) fn new(url: &Redacted, config: &BusConfig) -> Result<Self, Error> {
        let refused = |reason: &str| {
            Error::refused(format!(
                "DWELL_AMQP_URL={url} is not usable: {reason}; allowed is an AMQP URL such as \
                 amqp://user:password@host:5672/%2f"
            ))
        };
        let mut uri: AMQPUri = url.expose().parse().map_err(|reason: String| refused(&reason))?;
        // The library supports no IPv6 address: it would connect to the local host instead.
        let parsed = url::Url::parse(url.expose()).map_err(|error| refused(&error.to_string()))?;
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused("it names no host"))?;
        if host.starts_with('[') {
            host.trim_matches(['[', ']']).clone_into(&mut uri.authority.host);
        }
        // A URL that ends with a slash means the default virtual host. A virtual host with an empty name is not
        // supported.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(Self { uri, shown: url.to_string(), config: config.clone() })
    }

    /// The name of this queue on the broker.
    pub(super) fn queue_name(&self, queue: Queue) -> ShortString {
        self.config.names.of(queue).into()
    }

    /// The user of the connection; the broker compares it with the `user_id` of published messages.
    pub(super) fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// Connects. Operators of the broker see `purpose` after the service's name.
    pub(super) async fn connect(&self, purpose: &str) -> Result<(Live, Watch), Problem> {
        self.try_connect(purpose).await.map_err(|failure| self.login_problem(failure))
    }

    /// Like `connect`, but returns the broker's exact refusal.
    pub(super) async fn try_connect(&self, purpose: &str) -> Result<(Live, Watch), Failure> {
        let authority = &self.uri.authority;
        let connecting = TcpStream::connect((authority.host.as_str(), authority.port));
        let stream = within("connecting to RabbitMQ", async { Ok(connecting.await?) }).await?;
        let (stream, socket) = within("connecting to RabbitMQ", async { Ok(shared(stream)?) }).await?;
        let stream = within("beginning TLS with RabbitMQ", async { Ok(self.secured(stream).await?) }).await?;
        let name = format!("dwell {} {purpose}", self.config.role);
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let once = Mutex::new(Some(stream));
        let opened = within("logging in to RabbitMQ", async {
            let runtime = guarded::runtime();
            let connect = async move |_, _| {
                let stream = once.lock().unwrap_or_else(PoisonError::into_inner).take();
                let stream = stream.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotConnected))?;
                Ok(AsyncTcpStream::Plain(Guarded::new(stream.compat())))
            };
            Box::pin(Connection::connector(self.uri.clone(), runtime, connect, properties)).await
        });
        let connection = opened.await?;
        let mut look = tokio::time::interval(CHECK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch { events: connection.events_listener().boxed(), look };
        Ok((Live { connection, given_up: CancellationToken::new(), _socket: socket }, watch))
    }

    /// The stream with TLS, if the address asks for it.
    async fn secured(&self, stream: TcpStream) -> std::io::Result<tls::Stream> {
        match self.uri.scheme {
            AMQPScheme::AMQP => Ok(tls::Stream::Plain(stream)),
            AMQPScheme::AMQPS => self.config.connector.connect(&self.uri.authority.host, stream).await,
        }
    }

    fn login_problem(&self, failure: Failure) -> Problem {
        let Some((_, said)) = failure.refusal_of_login() else { return failure.into() };
        Problem::Config(format!(
            "RabbitMQ refuses {}: {said}; check user, password and virtual host in DWELL_AMQP_URL (an absent one means \
             guest, guest and /), and that the broker has this virtual host and lets this user into it",
            self.shown
        ))
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Broker").field("url", &self.shown).finish_non_exhaustive()
    }
}

/// An open connection. Dropping it closes the socket.
#[derive(Debug)]
pub(super) struct Live {
    connection: Connection,
    given_up: CancellationToken,
    _socket: Socket,
}

impl Live {
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether the broker blocks this connection, because it is short of memory or disk.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Asks the supervisor to reconnect.
    pub(super) fn give_up(&self) {
        self.given_up.cancel();
    }

    /// Waits until the supervisor is asked to reconnect.
    pub(super) async fn is_given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// Closes the connection regularly, so that the broker does not report a failure.
    pub(super) async fn close(&self) {
        let goodbye = self.connection.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into());
        // Without an answer, the socket is closed anyway.
        drop(tokio::time::timeout(CLOSE_DEADLINE, goodbye).await);
    }
}

/// Events of the library about a connection.
pub(super) struct Watch {
    events: BoxStream<'static, Event>,
    look: Interval,
}

impl Watch {
    /// Waits for the end of the connection and returns the reason. Reports to the health if the broker blocks it.
    /// Cancel safe.
    pub(super) async fn ended(&mut self, live: &Live, health: &Dependency) -> String {
        loop {
            let event = tokio::select! {
                event = self.events.next() => event,
                _ = self.look.tick() => {
                    if live.connection.status().connected() { continue }
                    return "the connection is gone".to_owned();
                }
            };
            match event {
                Some(Event::Error(error)) => return format!("the connection is gone: {error}"),
                Some(Event::ConnectionBlocked(reason)) => {
                    health.down(format!("the broker takes no messages just now: {reason}"));
                }
                Some(Event::ConnectionUnblocked) => health.up(),
                Some(Event::Connected | Event::SendFlow(_) | _) => {}
                None => return "the connection is gone".to_owned(),
            }
        }
    }
}

/// A second handle to the connection's socket, to shut it down while other owners exist.
#[derive(Debug)]
struct Socket(StdTcpStream);

impl Drop for Socket {
    fn drop(&mut self) {
        // An error means that the socket is closed already.
        drop(self.0.shutdown(Shutdown::Both));
    }
}

fn shared(stream: TcpStream) -> std::io::Result<(TcpStream, Socket)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let socket = Socket(stream.try_clone()?);
    Ok((TcpStream::from_std(stream)?, socket))
}

#[cfg(test)]
mod tests {
    use testbed::wait_until;

    use super::*;

    #[tokio::test]
    async fn a_login_without_an_answer_leaves_no_thread_behind() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let broker = broker(&format!("amqp://{}", silent.local_addr().unwrap())).unwrap();
        {
            let mut connecting = std::pin::pin!(broker.connect("testing"));
            let deadline = Duration::from_secs(30);
            wait_until(deadline, "the library's thread", async || {
                assert!(futures::poll!(&mut connecting).is_pending());
                library_threads() == 1
            })
            .await;
        }

        wait_until(Duration::from_secs(30), "the end of the thread", async || library_threads() == 0).await;
    }

    fn library_threads() -> usize {
        let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("comm")).ok());
        names.filter(|name| name.trim() == "lapin-io-loop").count()
    }

    fn broker(url: &str) -> Result<Broker, Error> {
        Broker::new(&Redacted::url(url), &BusConfig::default())
    }

    #[test]
    fn a_url_says_host_virtual_host_and_heartbeat_and_has_defaults_for_them() {
        let read = |url| {
            let uri = broker(url).unwrap().uri;
            (uri.authority.host, uri.authority.port, uri.vhost, uri.query.heartbeat)
        };

        assert_eq!(read("amqp://broker"), ("broker".to_owned(), 5672, "/".to_owned(), Some(10)));
        assert_eq!(read("amqp://u:p@broker:1/"), ("broker".to_owned(), 1, "/".to_owned(), Some(10)));
        assert_eq!(read("amqp://[::1]:2/%2flots?heartbeat=3"), ("::1".to_owned(), 2, "/lots".to_owned(), Some(3)));
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_its_password() {
        let refused = broker("amqp://dwell:hidden@broker?heartbeat=often").unwrap_err().to_string();

        assert!(refused.contains("amqp://dwell:***@broker") && !refused.contains("hidden"), "{refused}");
    }
}
