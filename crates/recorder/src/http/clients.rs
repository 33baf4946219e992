//! The HTTP client of one summary API, made again when its TLS has changed: a client keeps what it was made with.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, redirect};
use service_kit::causes;
use tls::{Connector, Stamps};

use super::{Limits, SettingsError};

/// Less than the twenty seconds after which our servers close an idle connection, so that a connection is not closed
/// just as a request is sent.
const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(10);

/// The clients of one summary API, one after the other.
#[derive(Debug)]
pub(super) struct Clients {
    address: String,
    headers: HeaderMap,
    limits: Limits,
    connector: Connector,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    client: Client,
    /// Of the files when the client was made; `None` if another one is to be made.
    stamps: Option<Stamps>,
}

impl Clients {
    pub(super) fn new(
        address: &str,
        headers: HeaderMap,
        limits: Limits,
        connector: &Connector,
    ) -> Result<Self, SettingsError> {
        let stamps = Some(connector.stamps());
        let client = client(address, headers.clone(), limits, connector)?;
        let current = Mutex::new(Current { client, stamps });
        Ok(Self { address: address.to_owned(), headers, limits, connector: connector.clone(), current })
    }

    /// The client of the files as they are now. While they can't be used, for instance between the writing of a
    /// certificate and that of its key, it is the one before.
    pub(super) fn current(&self) -> Client {
        let stamps = Some(self.connector.stamps());
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.stamps != stamps {
            current.stamps = stamps;
            match client(&self.address, self.headers.clone(), self.limits, &self.connector) {
                Ok(client) => current.client = client,
                Err(error) => tracing::warn!(
                    reason = causes::on_one_line(&error),
                    "the TLS of the summary API stays as it was: its files have changed and can't be used"
                ),
            }
        }
        current.client.clone()
    }

    /// Makes another client for the next request: after a failure of TLS, whose reason may have been removed without a
    /// change of the files.
    pub(super) fn renew(&self) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).stamps = None;
    }
}

fn client(address: &str, headers: HeaderMap, limits: Limits, connector: &Connector) -> Result<Client, SettingsError> {
    Client::builder()
        .tls_backend_preconfigured(connector.config_of_http(address).map_err(SettingsError::Tls)?)
        .default_headers(headers)
        .connect_timeout(limits.connect)
        .timeout(limits.request)
        .pool_idle_timeout(IDLE_CONNECTION_MAX)
        .tcp_nodelay(true)
        .tcp_keepalive(IDLE_CONNECTION_MAX)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(SettingsError::Client)
}
