//! TLS with `PostgreSQL`, for an address whose `sslmode` asks for it.
//!
//! Without `sslmode`, and with `disable`, `allow` or `prefer`, a connection is without TLS. `require`, `verify-ca` and
//! `verify-full` all check the certificate and its name, because TLS with anybody protects from nobody.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use tls::{Connector, Session};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Config, NoTls, Socket};

/// The address with the three of libpq's modes that the library does not know replaced.
pub(super) fn in_words_of_the_library(database_url: &str) -> String {
    let Some((address, query)) = database_url.split_once('?') else { return database_url.to_owned() };
    let replaced = query.split('&').map(|pair| match pair {
        "sslmode=verify-full" | "sslmode=verify-ca" => "sslmode=require",
        "sslmode=allow" => "sslmode=disable",
        pair => pair,
    });
    format!("{address}?{}", replaced.collect::<Vec<_>>().join("&"))
}

/// Makes the connections of a pool.
pub(super) fn manager(config: Config, connector: &Connector) -> Manager {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    if config.get_ssl_mode() == SslMode::Require {
        Manager::from_config(config, Secured(connector.clone()), recycling)
    } else {
        Manager::from_config(config, NoTls, recycling)
    }
}

/// A [`Connector`] for the library.
#[derive(Clone)]
struct Secured(Connector);

impl MakeTlsConnect<Socket> for Secured {
    type Stream = SecuredStream;
    type TlsConnect = SecuredHost;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<SecuredHost> {
        Ok(SecuredHost { connector: self.0.clone(), host: host.to_owned() })
    }
}

/// A server to begin TLS with.
struct SecuredHost {
    connector: Connector,
    host: String,
}

impl TlsConnect<Socket> for SecuredHost {
    type Stream = SecuredStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<SecuredStream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move { self.connector.connect_over(&self.host, socket).await.map(SecuredStream) })
    }
}

struct SecuredStream(Session<Socket>);

impl TlsStream for SecuredStream {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate and its name are checked already.
        ChannelBinding::none()
    }
}

impl AsyncRead for SecuredStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for SecuredStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modes_of_other_clients_mean_a_verified_connection_or_none() {
        let mode = |query: &str| {
            let url = in_words_of_the_library(&format!("postgres://u:p@h/d{query}"));
            url.parse::<Config>().unwrap().get_ssl_mode()
        };
        for query in ["?sslmode=verify-full", "?connect_timeout=3&sslmode=verify-ca", "?sslmode=require"] {
            assert_eq!(mode(query), SslMode::Require, "{query}");
        }
        for query in ["", "?sslmode=allow", "?sslmode=disable", "?sslmode=prefer"] {
            assert_ne!(mode(query), SslMode::Require, "{query}");
        }
    }
}
