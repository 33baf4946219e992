//! The files of a listener: read at the start, and again when they have changed.
//!
//! A certificate and its key are replaced one after the other, so a change is read only once the files are at rest.

use std::path::PathBuf;
use std::sync::Arc;

use parking::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, RootCertStore, ServerConfig};
use settings::{FileStamp, Setting, Settings, TLS_CERT_FILE, TLS_CLIENT_CA_FILE, TLS_KEY_FILE};

use crate::validity::Validity;
use crate::{pem, provider};

const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";

/// The files that the settings name.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    authorities: Option<PathBuf>,
}

/// A file that can't be used, and why. The reason contains nothing of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) setting: &'static Setting,
    pub(crate) reason: String,
}

/// The stamps of three files, which differ after each change; `None` without a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps(pub(crate) [Option<FileStamp>; 3]);

/// What the files contain, ready for connections.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) http: Arc<ServerConfig>,
    pub(crate) grpc: Arc<ServerConfig>,
    pub(crate) validity: Option<Validity>,
}

impl Files {
    /// The files that the settings name; `None` if they name none.
    ///
    /// # Errors
    /// They name only some of those that are needed.
    pub(crate) fn named_by(settings: &Settings) -> Result<Option<Self>, settings::Error> {
        let path = |setting| settings.text(setting).map(PathBuf::from);
        let (certificate, key) = (path(&TLS_CERT_FILE), path(&TLS_KEY_FILE));
        let authorities = path(&TLS_CLIENT_CA_FILE);
        let lacks = |given: &Setting, setting: &Setting| {
            let reason = format!("it needs {} (--{}) too", setting.name, setting.flag());
            settings.wrong(given, reason)
        };
        match (certificate, key) {
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key, authorities })),
            (Some(_), None) => Err(lacks(&TLS_CERT_FILE, &TLS_KEY_FILE)),
            (None, Some(_)) => Err(lacks(&TLS_KEY_FILE, &TLS_CERT_FILE)),
            (None, None) if authorities.is_some() => Err(lacks(&TLS_CLIENT_CA_FILE, &TLS_CERT_FILE)),
            (None, None) => Ok(None),
        }
    }

    pub(crate) fn needs_certificates(&self) -> bool {
        self.authorities.is_some()
    }

    fn stamps(&self) -> Stamps {
        let of = FileStamp::of;
        Stamps([of(&self.certificate), of(&self.key), self.authorities.as_deref().and_then(of)])
    }

    /// Reads all files.
    pub(crate) fn load(&self) -> Result<Loaded, Fault> {
        let fault = |setting: &'static Setting| move |reason: String| Fault { setting, reason };
        let provider = provider();
        let chain = pem::certificates(&self.certificate).map_err(fault(&TLS_CERT_FILE))?;
        let validity = Validity::of_all(&chain);
        let certified = Arc::new(self.certified(chain, &provider)?);
        let config = |verifier: Arc<dyn ClientCertVerifier>, protocol: &[u8]| {
            let config =
                ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
            let config = config.map_err(|error| fault(&TLS_CERT_FILE)(error.to_string()))?;
            let resolver = Arc::new(rustls::sign::SingleCertAndKey::from(Arc::clone(&certified)));
            let mut config = config.with_client_cert_verifier(verifier).with_cert_resolver(resolver);
            config.alpn_protocols = vec![protocol.to_vec()];
            if self.needs_certificates() {
                // The certificate of a client is verified in a full handshake only, so no session is resumed.
                config.session_storage = Arc::new(NoServerSessionStorage {});
                config.send_tls13_tickets = 0;
            }
            Ok(Arc::new(config))
        };
        let (optional, needed) = self.verifiers(&provider).map_err(fault(&TLS_CLIENT_CA_FILE))?;
        Ok(Loaded { http: config(optional, HTTP_1)?, grpc: config(needed, HTTP_2)?, validity })
    }

    /// The certificate with its key.
    fn certified(&self, chain: Vec<CertificateDer<'static>>, provider: &CryptoProvider) -> Result<CertifiedKey, Fault> {
        let key = pem::key(&self.key).map_err(|reason| Fault { setting: &TLS_KEY_FILE, reason })?;
        #[expect(clippy::wildcard_enum_match_arm, reason = "errors are non-exhaustive and have dozens of kinds")]
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            TlsError::InconsistentKeys(_) => Fault {
                setting: &TLS_KEY_FILE,
                reason: format!("it is not the key of the certificate in {}", self.certificate.display()),
            },
            TlsError::InvalidCertificate(_) => {
                let reason = "the first certificate in the file is damaged, or not of X.509 version 3".to_owned();
                Fault { setting: &TLS_CERT_FILE, reason }
            }
            _ => Fault { setting: &TLS_KEY_FILE, reason: "the key is of a kind that is not supported".to_owned() },
        })
    }

    /// What checks the certificates of clients: one that lets clients without a certificate in, and one that does not.
    #[expect(clippy::type_complexity, reason = "two of one type")]
    fn verifiers(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<(Arc<dyn ClientCertVerifier>, Arc<dyn ClientCertVerifier>), String> {
        let Some(path) = &self.authorities else { return Ok((Arc::new(NoClientAuth), Arc::new(NoClientAuth))) };
        let mut store = RootCertStore::empty();
        pem::authorities(path, &mut store)?;
        let store = Arc::new(store);
        let builder = || WebPkiClientVerifier::builder_with_provider(Arc::clone(&store), Arc::clone(provider));
        let optional = builder().allow_unauthenticated().build().map_err(|error| error.to_string())?;
        let needed = builder().build().map_err(|error| error.to_string())?;
        Ok((optional, needed))
    }
}

/// What became of changed files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// The files are those that are in use, or have just changed and are looked at again.
    Unchanged,
    /// New connections have the new certificate.
    Done,
    /// The files can't be used, so the ones before stay in use; the reason, which is returned once for each change.
    Refused(String),
}

/// Finds out whether files have changed.
#[derive(Debug)]
pub(crate) struct Watched {
    files: Files,
    /// Of the files in use.
    used: Stamps,
    /// Those seen last.
    seen: Stamps,
    /// The stamps of files that were refused, with what is wrong; without a fault they are outside of their validity.
    refused: Option<(Stamps, Option<Fault>)>,
}

impl Watched {
    pub(crate) fn new(files: Files) -> Self {
        let stamps = files.stamps();
        Self { files, used: stamps.clone(), seen: stamps, refused: None }
    }

    /// Reads the files if they have changed and are at rest since the last look. Refused files are read at each look,
    /// because they may become valid, or readable, without a change; their refusal is returned once.
    pub(crate) fn look(&mut self, now: Timestamp) -> Result<Option<Loaded>, String> {
        let stamps = self.files.stamps();
        let is_at_rest = stamps == self.seen;
        self.seen.clone_from(&stamps);
        if stamps == self.used {
            self.refused = None;
            return Ok(None);
        }
        if !is_at_rest {
            return Ok(None);
        }
        let (fault, reason) = match self.files.load() {
            Err(fault) => (Some(fault.clone()), format!("{}: {}", fault.setting.name, fault.reason)),
            Ok(loaded) => {
                let Some(reason) = loaded.validity.and_then(|validity| validity.fault(now)) else {
                    (self.used, self.refused) = (stamps, None);
                    return Ok(Some(loaded));
                };
                (None, format!("{}: {reason}", TLS_CERT_FILE.name))
            }
        };
        let refused = Some((stamps, fault));
        if self.refused == refused {
            return Ok(None);
        }
        self.refused = refused;
        Err(reason)
    }
}
