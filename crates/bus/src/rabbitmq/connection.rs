//! One connection to the broker: how it is made, watched and given up, and what may be wrong with it.
//!
//! The library's connecting and closing can hang for ever, and what hangs keeps a thread. So the socket is ours: shutting
//! it down ends whatever the library still does with it. When to connect again is left to the supervisors.

use std::fmt;
use std::future::Future;
use std::net::{Shutdown, TcpStream as StdTcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_compat::CompatExt as _;
use futures::stream::{BoxStream, StreamExt as _};
use lapin::types::ShortString;
use lapin::uri::AMQPUri;
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, ErrorKind, Event};
use service_kit::Dependency;
use settings::Masked;
use tokio::net::TcpStream;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::guarded::{self, Guarded};
use crate::{BusConfig, Error, Queue};

/// The longest wait for any one answer of the broker.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// The longest wait for the broker to say goodbye.
const CLOSE_DEADLINE: Duration = Duration::from_secs(2);
/// What both sides must be heard within, in seconds, unless the URL says otherwise.
const HEARTBEAT_S: u16 = 10;
/// How often a connection is looked at, in case the library says nothing.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reply codes of AMQP 0-9-1.
mod code {
    pub(super) const ACCESS_REFUSED: u16 = 403;
    pub(super) const NOT_FOUND: u16 = 404;
    pub(super) const PRECONDITION_FAILED: u16 = 406;
    pub(super) const NOT_ALLOWED: u16 = 530;
}

/// What keeps a connection from working.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// Waiting does not help: somebody must change something, and the text says what.
    Config(String),
    /// It is waited out.
    Passing(String),
}

/// A broker's answer that says no, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The user may not do this.
    Access,
    /// There is no such thing.
    NotFound,
    /// It is there, but different.
    Precondition,
    /// The user may not use this virtual host, or there is none.
    VirtualHost,
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The broker said no, or the connection broke.
    #[error("{what}: {error}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// What the library says.
        error: lapin::Error,
    },
    /// There was no answer.
    #[error("{what}: no answer in {ANSWER_DEADLINE:?}")]
    NoAnswer {
        /// What was tried.
        what: &'static str,
    },
}

/// Waits for a step, at most the deadline of one answer.
pub(super) async fn within<T>(what: &'static str, step: impl Future<Output = lapin::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(ANSWER_DEADLINE, step).await {
        Ok(ended) => ended.map_err(|error| Failure::Failed { what, error }),
        Err(_) => Err(Failure::NoAnswer { what }),
    }
}

impl Failure {
    /// The broker's refusal and its words, if that is what it was.
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

    /// The broker's refusal to let us in, if that is what it was. A limit of connections is no matter of settings, it passes.
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

/// Where the broker is and how it is used. `Debug` shows no password.
pub(super) struct Broker {
    uri: AMQPUri,
    shown: String,
    pub(super) config: BusConfig,
}

impl Broker {
    pub(super) fn new(url: &Masked, config: &BusConfig) -> Result<Self, Error> {
        let refused = |reason: &str| {
            Error::refused(format!(
                "DWELL_AMQP_URL={url} is not usable: {reason}; allowed is an AMQP URL such as \
                 amqp://user:password@host:5672/%2f"
            ))
        };
        let mut uri: AMQPUri = url.expose().parse().map_err(|reason: String| refused(&reason))?;
        // The library knows no IPv6 address and would go to the local host instead.
        let parsed = url::Url::parse(url.expose()).map_err(|error| refused(&error.to_string()))?;
        let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused("it names no host"))?;
        if host.starts_with('[') {
            host.trim_matches(['[', ']']).clone_into(&mut uri.authority.host);
        }
        // Who ends the URL with a slash means the default virtual host; one without a name cannot be had.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(Self { uri, shown: url.to_string(), config: config.clone() })
    }

    /// The broker's name of this queue.
    pub(super) fn queue_name(&self, queue: Queue) -> ShortString {
        self.config.names.of(queue).into()
    }

    /// Who connects: the broker checks it against the `user_id` of what is published.
    pub(super) fn user(&self) -> &str {
        &self.uri.authority.userinfo.username
    }

    /// Connects. `purpose` is shown to the operators of the broker, after the service's name.
    pub(super) async fn connect(&self, purpose: &str) -> Result<(Live, Watch), Problem> {
        self.try_connect(purpose).await.map_err(|failure| self.login_problem(failure))
    }

    /// The same, for who wants to know what exactly the broker says.
    pub(super) async fn try_connect(&self, purpose: &str) -> Result<(Live, Watch), Failure> {
        let authority = &self.uri.authority;
        let connecting = TcpStream::connect((authority.host.as_str(), authority.port));
        let stream = within("connecting to RabbitMQ", async { Ok(connecting.await?) }).await?;
        let (stream, socket) = within("connecting to RabbitMQ", async { Ok(shared(stream)?) }).await?;
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
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch { events: connection.events_listener().boxed(), look };
        Ok((Live { connection, given_up: CancellationToken::new(), _socket: socket }, watch))
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

/// An open connection. Dropping it cuts it off.
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

    /// Whether the broker, short of memory or disk, takes nothing from this connection just now.
    pub(super) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Asks its supervisor to build it anew.
    pub(super) fn give_up(&self) {
        self.given_up.cancel();
    }

    /// Waits until its supervisor is asked to build it anew.
    pub(super) async fn is_given_up(&self) {
        self.given_up.cancelled().await;
    }

    /// Says goodbye to the broker, which then knows that this is no failure.
    pub(super) async fn close(&self) {
        let goodbye = self.connection.close(lapin::protocol::constants::REPLY_SUCCESS, "done".into());
        // A broker that does not answer is left without a goodbye.
        drop(tokio::time::timeout(CLOSE_DEADLINE, goodbye).await);
    }
}

/// What the library says about a connection.
pub(super) struct Watch {
    events: BoxStream<'static, Event>,
    look: Interval,
}

impl Watch {
    /// Waits for the end of the connection and says why; tells the health when the broker blocks it. May be cancelled.
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

/// The connection's socket once more, to end it whoever else still holds it.
#[derive(Debug)]
struct Socket(StdTcpStream);

impl Drop for Socket {
    fn drop(&mut self) {
        // An error means that it is closed already.
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
        Broker::new(&Masked::url(url), &BusConfig::default())
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
