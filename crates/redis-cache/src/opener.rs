//! Opens connections to a Redis, with TLS if its URL begins with `rediss`.

use std::io::{Error, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisError};
use settings::Redacted;
use tls::{Connector, Failure, Stream};
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
            let opening = async {
                let stream = self.stream(connector).await?;
                let login = self.client.get_connection_info().redis_settings();
                MultiplexedConnection::new_with_config(login, stream, config).await
            };
            let late = || Error::from(Failure::late(limits.connect));
            let (connection, work) = tokio::time::timeout(limits.connect, opening).await.map_err(|_| late())??;
            driver.spawn(work);
            connection
        } else {
            self.client.get_multiplexed_async_connection_with_config(&config).await?
        };
        Ok(Opened { connection, _driver: Arc::new(driver) })
    }

    async fn stream(&self, connector: &Connector) -> std::io::Result<Stream> {
        let ConnectionAddr::Tcp(host, port) = self.client.get_connection_info().addr() else {
            return Err(Error::new(ErrorKind::InvalidInput, "TLS needs a host name or an IP address"));
        };
        let socket = TcpStream::connect((host.as_str(), *port)).await?;
        socket.set_nodelay(true)?;
        connector.connect(host, socket).await
    }
}
