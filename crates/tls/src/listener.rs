//! The TLS of the ports that this process opens.

use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use parking::Timestamp;
use rustls::ServerConfig;
use settings::{Settings, TLS_CERT_FILE};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::files::{Fault, Files, Loaded, Reload, Watched};
use crate::{Session, Stream, Validity};

/// The first byte of a TLS connection: the type of a record of the handshake. No method of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1. If certificates of clients are configured, a client may come without one; the server decides what it gets.
    Http,
    /// HTTP/2 with gRPC. If certificates of clients are configured, each client needs one.
    Grpc,
}

/// An accepted connection.
#[derive(Debug)]
pub enum Accepted {
    /// The handshake is complete.
    Tls {
        /// The connection.
        stream: Stream,
        /// Whether the client has shown a certificate of a configured authority.
        has_certificate: bool,
    },
    /// The client sends something else than TLS. Nothing has been read.
    Plain(TcpStream),
}

/// The certificate of all ports of this process. Cheap to clone; all clones have the same files.
#[derive(Debug, Clone)]
pub struct Listener(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    needs_certificates: bool,
    current: RwLock<Arc<Loaded>>,
    watched: Mutex<Watched>,
}

impl Listener {
    /// Reads the files that the settings name; `None` if they name none, so that the ports are without TLS.
    ///
    /// # Errors
    /// A file can't be used, or one that is needed is not named.
    pub fn from_settings(settings: &Settings) -> std::result::Result<Option<Self>, settings::Error> {
        let Some(files) = Files::named_by(settings)? else { return Ok(None) };
        // Before they are read: a change in between is seen.
        let watched = Watched::new(files.clone());
        let loaded = files.load().map_err(|Fault { setting, reason }| settings.wrong(setting, reason))?;
        Ok(Some(Self(Arc::new(Inner {
            needs_certificates: files.needs_certificates(),
            current: RwLock::new(Arc::new(loaded)),
            watched: Mutex::new(watched),
        }))))
    }

    /// Whether the settings name a certificate, without reading it.
    pub fn is_configured(settings: &Settings) -> bool {
        settings.text(&TLS_CERT_FILE).is_some()
    }

    /// Whether clients need a certificate.
    pub fn needs_certificates(&self) -> bool {
        self.0.needs_certificates
    }

    /// The time in which the certificate in use is valid; `None` if it can't be read.
    pub fn validity(&self) -> Option<Validity> {
        self.current().validity
    }

    /// Reads the files again if they have changed; call it again and again. Open connections stay. Blocks on the files.
    pub fn reload(&self, now: Timestamp) -> Reload {
        let mut watched = self.0.watched.lock().unwrap_or_else(PoisonError::into_inner);
        match watched.look(now) {
            Ok(None) => Reload::Unchanged,
            Ok(Some(loaded)) => {
                *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
                Reload::Done
            }
            Err(reason) => Reload::Refused(reason),
        }
    }

    /// Completes the handshake of a connection. The caller limits the time.
    ///
    /// # Errors
    /// The connection ended, or the client and this listener do not agree.
    pub async fn accept(&self, socket: TcpStream, protocol: Protocol) -> Result<Accepted> {
        let mut first = [0];
        if socket.peek(&mut first).await? == 0 {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the client sent nothing"));
        }
        if first != [HANDSHAKE] {
            return Ok(Accepted::Plain(socket));
        }
        let session = TlsAcceptor::from(self.config(protocol)).accept(socket).await?;
        let has_certificate = session.get_ref().1.peer_certificates().is_some();
        Ok(Accepted::Tls { stream: Stream::Tls(Session::new(session)), has_certificate })
    }

    fn config(&self, protocol: Protocol) -> Arc<ServerConfig> {
        let current = self.current();
        match protocol {
            Protocol::Http => Arc::clone(&current.http),
            Protocol::Grpc => Arc::clone(&current.grpc),
        }
    }

    fn current(&self) -> Arc<Loaded> {
        Arc::clone(&self.0.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}
