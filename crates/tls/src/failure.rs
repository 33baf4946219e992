//! Why TLS with a server failed, in words for the person who has to act: which side is wrong, and what to do.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, Error};
use settings::{CA_FILE, CLIENT_CERT_FILE};

use crate::validity::timestamp;

/// Why TLS with a server failed. It contains nothing of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    cause: String,
    remedy: String,
}

/// Stands between cause and remedy in the text of a [`Failure`].
const BETWEEN: &str = "; what to do: ";
const BEFORE: &str = "TLS: ";

impl Failure {
    pub(crate) fn new(cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { cause: cause.into(), remedy: remedy.into() }
    }

    /// A handshake that took longer than this.
    pub fn late(limit: Duration) -> Self {
        let remedy = "see whether the server speaks TLS on this port: one without TLS may just wait for more";
        Self::new(format!("no handshake within {limit:?}"), remedy)
    }

    /// The failure among the causes of an error, if TLS is one.
    pub fn among(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref::<Self>() {
                return Some(failure.clone());
            }
            if let Some(error) = error.downcast_ref::<Error>() {
                return Some(of(error));
            }
            // The source of an `io::Error` is that of its inner error, which it hides so.
            let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            next = inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source());
        }
        None
    }

    /// Cause and remedy of a text that ends with a failure.
    pub fn in_text(text: &str) -> Option<(&str, &str)> {
        let at = text.find(BEFORE)?;
        text[at..].split_once(BETWEEN)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{BEFORE}{}{BETWEEN}{}", self.cause, self.remedy)
    }
}

impl StdError for Failure {}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::other(failure)
    }
}

/// An error of a client's session, with the explanation of one that TLS reports.
pub(crate) fn explained(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => of(error).into(),
        None => error,
    }
}

/// Like [`explained`], in the handshake and until the client has read something, when an end is a refusal too.
pub(crate) fn explained_in_handshake(error: io::Error) -> io::Error {
    let ends = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    let is_end = ends.contains(&error.kind());
    if is_end {
        return Failure::new(
            format!("the server ended the connection in the handshake, perhaps for lack of a certificate of this client ({error})"),
            "see its log; perhaps it needs a certificate in DWELL_CLIENT_CERT_FILE, or this port is one without TLS, or the server \
             needs another version than TLS 1.2 or 1.3",
        )
        .into();
    }
    explained(error)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "Error is non-exhaustive and has dozens of kinds")]
fn of(error: &Error) -> Failure {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::InvalidMessage(_) => Failure::new(
            "the server does not answer with TLS",
            "correct the port, or begin the address with the scheme that is without TLS",
        ),
        Error::AlertReceived(alert) => of_alert(*alert),
        other => Failure::new(other.to_string(), "see the log of the server"),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "CertificateError is non-exhaustive and has dozens of kinds")]
fn of_certificate(error: &CertificateError) -> Failure {
    const CLOCKS: &str = "renew it on the server; or correct the clock of this machine, if that is wrong";
    match error {
        CertificateError::ExpiredContext { time, not_after } => {
            let (until, now) = (timestamp(not_after.as_secs()), timestamp(time.as_secs()));
            Failure::new(
                format!(
                    "a certificate of the server has expired: it was valid until {until}, and the clock here says {now}"
                ),
                CLOCKS,
            )
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            let (from, now) = (timestamp(not_before.as_secs()), timestamp(time.as_secs()));
            Failure::new(
                format!(
                    "a certificate of the server is not valid yet: it is from {from} on, and the clock here says {now}"
                ),
                CLOCKS,
            )
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            let names = if names.is_empty() { "no name".to_owned() } else { names.join(", ") };
            Failure::new(
                format!("the server's certificate is for {names}, and not for {}", shown(expected)),
                "write a name of the certificate as host into the address, or give the server a certificate for this host",
            )
        }
        CertificateError::UnknownIssuer => Failure::new(
            "the server's certificate is of an authority that is unknown here (UnknownIssuer)",
            format!(
                "name the file of the authority's certificate in {}; if the authority is known, the server has to send its \
                 intermediate certificates too",
                CA_FILE.name
            ),
        ),
        other => {
            Failure::new(format!("the server's certificate can't be used ({other})"), "give the server another one")
        }
    }
}

/// A name of a certificate without the kind of name that the library writes around it: `DnsName("broker.example")`.
fn bare(presented: &str) -> &str {
    presented.split('"').nth(1).unwrap_or(presented)
}

fn shown(name: &ServerName<'_>) -> String {
    name.to_str().into_owned()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "AlertDescription is non-exhaustive and has dozens of kinds")]
fn of_alert(alert: AlertDescription) -> Failure {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::DecryptError => Failure::new(
            format!("the server refuses the certificate of this client, or misses one ({alert:?})"),
            format!(
                "name one in {} that is of an authority that the server knows, and is valid",
                CLIENT_CERT_FILE.name
            ),
        ),
        other => Failure::new(format!("the server refuses ({other:?})"), "see the log of the server"),
    }
}
