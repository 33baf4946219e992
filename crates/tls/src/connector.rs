//! The TLS of the connections that this process opens.

use std::io::Result;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use settings::{CA_FILE, CLIENT_CERT_FILE, CLIENT_KEY_FILE, FileStamp, Setting, Settings};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::failure::{Failure, explained_in_handshake};
use crate::{Session, Stamps, Stream, pem, provider};

/// Which servers this process trusts, and what it shows them: the authorities of the system and those of
/// `DWELL_CA_FILE`, and the certificate of `DWELL_CLIENT_CERT_FILE`. Cheap to clone. The files are read for each
/// connection, so that a change needs no restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connector(Arc<Files>);

#[derive(Debug, Default, PartialEq, Eq)]
struct Files {
    authorities: Option<PathBuf>,
    /// Certificate and key.
    shown: Option<(PathBuf, PathBuf)>,
}

impl Connector {
    /// The connector of the settings.
    ///
    /// # Errors
    /// A file can't be used, or one that is needed is not named.
    pub fn from_settings(settings: &Settings) -> std::result::Result<Self, settings::Error> {
        let path = |setting| settings.text(setting).map(PathBuf::from);
        let lacks = |given: &Setting, other: &Setting| {
            settings.wrong(given, format!("it needs {} (--{}) too", other.name, other.flag()))
        };
        let shown = match (path(&CLIENT_CERT_FILE), path(&CLIENT_KEY_FILE)) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (Some(_), None) => return Err(lacks(&CLIENT_CERT_FILE, &CLIENT_KEY_FILE)),
            (None, Some(_)) => return Err(lacks(&CLIENT_KEY_FILE, &CLIENT_CERT_FILE)),
            (None, None) => None,
        };
        let connector = Self(Arc::new(Files { authorities: path(&CA_FILE), shown }));
        // Of the system's authorities it is not known yet whether they are needed.
        connector.own_authorities().map_err(|reason| settings.wrong(&CA_FILE, reason))?;
        connector.with_shown(RootCertStore::empty()).map_err(|(setting, reason)| settings.wrong(setting, reason))?;
        Ok(connector)
    }

    /// The configuration of a client with the files as they are now.
    ///
    /// # Errors
    /// A file can't be used any more, or there is no authority at all.
    pub fn config(&self) -> std::result::Result<ClientConfig, Failure> {
        let mut store = self.own_authorities().map_err(|reason| unusable(&CA_FILE, &reason))?;
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if store.is_empty() {
            return Err(Failure::new(
                "this system has no certificates of authorities",
                format!("install them (package ca-certificates), or name a file of your own in {}", CA_FILE.name),
            ));
        }
        self.with_shown(store).map_err(|(setting, reason)| unusable(setting, &reason))
    }

    /// The configuration of an HTTP client, which keeps it. Without `https` no authority of the system is read.
    ///
    /// # Errors
    /// Like [`config`](Self::config).
    pub fn config_of_http(&self, address: &str) -> std::result::Result<ClientConfig, Failure> {
        const HTTPS: &str = "https:";
        if address.get(..HTTPS.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(HTTPS)) {
            return self.config();
        }
        self.with_shown(RootCertStore::empty()).map_err(|(setting, reason)| unusable(setting, &reason))
    }

    /// The state of the files, which differs after each change.
    pub fn stamps(&self) -> Stamps {
        let Files { authorities, shown } = &*self.0;
        let of = |path: Option<&PathBuf>| path.and_then(|path| FileStamp::of(path));
        let (certificate, key) = shown.as_ref().map(|(certificate, key)| (certificate, key)).unzip();
        Stamps([of(authorities.as_ref()), of(certificate), of(key)])
    }

    /// Completes the handshake with the server of this name or address. The caller limits the time.
    ///
    /// # Errors
    /// A [`Failure`] within: which certificate is wrong, why, and what to do.
    pub async fn connect(&self, host: &str, socket: TcpStream) -> Result<Stream> {
        self.connect_over(host, socket).await.map(Stream::Tls)
    }

    /// Like [`connect`](Self::connect), over any stream.
    ///
    /// # Errors
    /// A [`Failure`] within.
    pub async fn connect_over<S>(&self, host: &str, stream: S) -> Result<Session<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
        let name = name.map_err(|_| Failure::new(format!("{host:?} is no host name"), "correct the address"))?;
        let connector = TlsConnector::from(Arc::new(self.config()?));
        let session = connector.connect(name, stream).await.map_err(explained_in_handshake)?;
        Ok(Session::new(session))
    }

    fn own_authorities(&self) -> std::result::Result<RootCertStore, String> {
        let mut store = RootCertStore::empty();
        if let Some(path) = &self.0.authorities {
            pem::authorities(path, &mut store)?;
        }
        Ok(store)
    }

    fn with_shown(&self, store: RootCertStore) -> std::result::Result<ClientConfig, (&'static Setting, String)> {
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| (&CA_FILE, error.to_string()))?.with_root_certificates(store);
        let Some((certificate, key)) = &self.0.shown else { return Ok(builder.with_no_client_auth()) };
        let chain = pem::certificates(certificate).map_err(|reason| (&CLIENT_CERT_FILE, reason))?;
        let key = pem::key(key).map_err(|reason| (&CLIENT_KEY_FILE, reason))?;
        builder.with_client_auth_cert(chain, key).map_err(|error| {
            let reason = if matches!(error, rustls::Error::InconsistentKeys(_)) {
                format!("it is not the key of the certificate in {}", certificate.display())
            } else {
                "certificate or key are of a kind that is not supported".to_owned()
            };
            (&CLIENT_KEY_FILE, reason)
        })
    }
}

fn unusable(setting: &Setting, reason: &str) -> Failure {
    Failure::new(format!("{}: {reason}", setting.name), "correct the file")
}
