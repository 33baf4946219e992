//! Opens connections to a Redis, with TLS if its URL begins with `rediss`.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisError};
use settings::Redacted;
use tls::{Connector, Failure};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Limits;

/// The schemes of a Redis URL, without TLS and with it.
pub const SCHEMES: [&str; 2] = ["redis", "rediss"];

/// Opens connections to one Redis.
#[derive(Debug, Clone)]
pub struct Opener {
    client: Client,
    /// With an address of TLS. The library would need a TLS of its own.
    connector: Option<Connector>,
}

/// An open connection. Cheap to clone; the last clone closes it.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The connection.
    pub connection: MultiplexedConnection,
    /// What reads and writes, unless the library does that.
    _driver: Arc<JoinSet<()>>,
}

impl Opener {
    /// For the Redis of a URL. Sends nothing.
    ///
    /// # Errors
    /// The URL can never work.
    pub fn new(url: &Redacted, connector: &Connector) -> Result<Self, RedisError> {
        const KEEPALIVE: Duration = Duration::from_secs(10);
        let [_, with_tls] = SCHEMES;
        let rest = url.expose().strip_prefix(with_tls).filter(|rest| rest.starts_with(':'));
        let plain = rest.map_or_else(|| url.expose().to_owned(), |rest| format!("redis{rest}"));
        let tcp = TcpSettings::default()
            .set_nodelay(true)
            .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
        let client = Client::open(plain.into_connection_info()?.set_tcp_settings(tcp))?;
        Ok(Self { client, connector: rest.map(|_| connector.clone()) })
    }

    /// Connects, and logs in.
    ///
    /// # Errors
    /// Redis is down, refuses, or has another certificate than it should.
    pub async fn open(&self, limits: Limits) -> Result<Opened, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(limits.connect))
            .set_response_timeout(Some(limits.response));
        let mut driver = JoinSet::new();
        let connection = if let Some(connector) = &self.connector {
            let mut step = Step::Connection;
            let opening = async {
                let (host, socket) = self.socket().await?;
                step = Step::Handshake;
                let stream = connector.connect(host, socket).await?;
                step = Step::Login;
                let login = self.client.get_connection_info().redis_settings();
                MultiplexedConnection::new_with_config(login, stream, config).await
            };
            let opened = tokio::time::timeout(limits.connect, opening).await;
            let (connection, work) = opened.map_err(|_| step.late(limits.connect))??;
            driver.spawn(work);
            connection
        } else {
            self.client.get_multiplexed_async_connection_with_config(&config).await?
        };
        Ok(Opened { connection, _driver: Arc::new(driver) })
    }

    async fn socket(&self) -> std::io::Result<(&str, TcpStream)> {
        let ConnectionAddr::Tcp(host, port) = self.client.get_connection_info().addr() else {
            return Err(Error::new(ErrorKind::InvalidInput, "TLS needs a host name or an IP address"));
        };
        let socket = TcpStream::connect((host.as_str(), *port)).await?;
        socket.set_nodelay(true)?;
        Ok((host, socket))
    }
}

/// What opening a connection with TLS is waiting for.
#[derive(Debug, Clone, Copy)]
enum Step {
    Connection,
    Handshake,
    Login,
}

impl Step {
    /// The error of a step that was not complete within the limit of all of them.
    fn late(self, limit: Duration) -> Error {
        let what = match self {
            Self::Connection => "connection",
            Self::Handshake => return Failure::late(limit).into(),
            Self::Login => "answer to the login",
        };
        Error::new(ErrorKind::TimedOut, format!("no {what} within {limit:?}"))
    }
}

#[cfg(test)]
mod tests {
    use settings::Settings;
    use testbed::{Authority, Flaw};
    use tls::{Listener, Protocol};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_redis_that_does_not_answer_the_login_has_completed_its_handshake() {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("of a test").unwrap());
        let (certificate, key) = authority.server(Flaw::None).unwrap().write(folder.path()).unwrap();
        let trusted = authority.write(folder.path()).unwrap();
        let settings = Settings::from_variables([
            ("DWELL_TLS_CERT_FILE", certificate.to_str().unwrap()),
            ("DWELL_TLS_KEY_FILE", key.to_str().unwrap()),
            ("DWELL_CA_FILE", trusted.to_str().unwrap()),
        ])
        .unwrap();
        let listener = Listener::from_settings(&settings).unwrap().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Redacted::url(format!("rediss://:secret@{}", port.local_addr().unwrap()));
        let redis = Opener::new(&url, &Connector::from_settings(&settings).unwrap()).unwrap();
        let limits = Limits { connect: Duration::from_secs(3), response: Duration::from_mins(1) };
        let accepted = async { listener.accept(port.accept().await.unwrap().0, Protocol::Http).await };

        let (opened, _silent) = tokio::join!(redis.open(limits), accepted);

        let said = opened.unwrap_err().to_string();
        assert!(said.contains("no answer to the login within 3s") && !said.contains("handshake"), "{said}");
    }
}
