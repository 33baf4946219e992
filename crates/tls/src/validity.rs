//! The time in which a certificate is valid.
//!
//! rustls shows it only in the errors of a verification, so a certificate is verified here as if it were long before
//! and long after. This saves a parser of certificates.

use std::sync::Arc;
use std::time::Duration;

use parking::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, RootCertStore};

use crate::provider;

/// The first and the last moment at which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub from: Timestamp,
    /// The last moment.
    pub until: Timestamp,
}

impl Validity {
    /// The time in which all these certificates are valid, as far as they can be read; `None` if none can.
    pub(crate) fn of_all(certificates: &[CertificateDer<'_>]) -> Option<Self> {
        let all = certificates.iter().filter_map(Self::of);
        all.reduce(|one, other| Self { from: one.from.max(other.from), until: one.until.min(other.until) })
    }

    /// The validity of a certificate; `None` if it can't be read.
    fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let mut store = RootCertStore::empty();
        store.add(certificate.clone().into_owned()).ok()?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider()).build().ok()?;
        let name = ServerName::try_from("localhost").ok()?;
        let at = |seconds| {
            let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
            match verifier.verify_server_cert(certificate, &[], &name, &[], now) {
                Err(Error::InvalidCertificate(error)) => Some(error),
                _ => None,
            }
        };
        let from = match at(0) {
            Some(CertificateError::NotValidYetContext { not_before, .. }) => not_before.as_secs(),
            _ => 0,
        };
        let Some(CertificateError::ExpiredContext { not_after, .. }) = at(u64::MAX) else { return None };
        Some(Self { from: timestamp(from), until: timestamp(not_after.as_secs()) })
    }

    /// Why the certificate is not valid at this time; `None` if it is.
    pub fn fault(&self, now: Timestamp) -> Option<String> {
        if now > self.until {
            Some(format!(
                "the certificate has expired: it was valid until {}, and the clock here says {now}",
                self.until
            ))
        } else if now < self.from {
            Some(format!(
                "the certificate is not valid yet: it is from {} on, and the clock here says {now}",
                self.from
            ))
        } else {
            None
        }
    }
}

pub(crate) fn timestamp(seconds: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000))
}

#[cfg(test)]
mod tests {
    use testbed::{Authority, Flaw};

    use super::*;
    use crate::pem;

    /// The validity of a file with one certificate for each flaw.
    fn validity(flaws: &[Flaw]) -> Validity {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("of a test").unwrap());
        let file = folder.path().join("chain.pem");
        let chain: String = flaws.iter().map(|flaw| authority.server(*flaw).unwrap().certificate).collect();
        std::fs::write(&file, chain).unwrap();
        Validity::of_all(&pem::certificates(&file).unwrap()).unwrap()
    }

    #[test]
    fn a_certificate_shows_from_when_and_until_when_it_is_valid() {
        let now = Timestamp::from_millis(1_727_168_400_000);

        let good = validity(&[Flaw::None]).fault(now);
        let expired = validity(&[Flaw::Expired]).fault(now).unwrap();
        let early = validity(&[Flaw::NotYetValid]).fault(now).unwrap();

        assert_eq!(good, None);
        assert!(expired.contains("valid until 2021-01-01T00:00:00.000Z"), "{expired}");
        assert!(early.contains("it is from 2090-01-01T00:00:00.000Z on"), "{early}");
    }

    #[test]
    fn a_file_is_valid_as_long_as_each_of_its_certificates() {
        let [good, expired, early] = [Flaw::None, Flaw::Expired, Flaw::NotYetValid].map(|flaw| validity(&[flaw]));

        let intermediate_expired = validity(&[Flaw::None, Flaw::Expired]);
        let intermediate_early = validity(&[Flaw::None, Flaw::NotYetValid]);

        assert_eq!(intermediate_expired, Validity { from: good.from.max(expired.from), until: expired.until });
        assert_eq!(intermediate_early, Validity { from: early.from, until: good.until.min(early.until) });
    }
}
