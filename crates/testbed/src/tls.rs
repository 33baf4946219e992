//! Certificates for servers and clients under test, good ones and others: from an authority of the test's own.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

const AUTHORITY: &str = "authority.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    None,
    /// Its time is over: it was valid until the beginning of 2021.
    Expired,
    /// Its time begins with 2090.
    NotYetValid,
    /// It is for `elsewhere.example` only.
    WrongName,
}

/// A certificate authority.
#[derive(Debug)]
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl Pair {
    /// Writes `certificate.pem` and `key.pem` into a folder, over those that are there, and returns the two files.
    pub fn write(&self, folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
        Ok((write(folder, CERTIFICATE, &self.certificate)?, write(folder, KEY, &self.key)?))
    }
}

impl Authority {
    /// A new authority. OpenSSL treats a certificate as self-signed if its issuer has the same name, so each needs its own.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, format!("authority {name}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key) })
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes the authority's own certificate into `authority.pem` in a folder, and returns the file.
    pub fn write(&self, folder: &Path) -> anyhow::Result<PathBuf> {
        write(folder, AUTHORITY, &self.pem)
    }

    /// A certificate for a server at `localhost` and `127.0.0.1`, but for the flaw.
    pub fn server(&self, flaw: Flaw) -> anyhow::Result<Pair> {
        let names: &[&str] = match flaw {
            Flaw::WrongName => &["elsewhere.example"],
            Flaw::None | Flaw::Expired | Flaw::NotYetValid => &["localhost", "127.0.0.1"],
        };
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "a server of the testbed");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        match flaw {
            Flaw::None | Flaw::WrongName => {}
            Flaw::Expired => params.not_after = date_time_ymd(2021, 1, 1),
            Flaw::NotYetValid => params.not_before = date_time_ymd(2090, 1, 1),
        }
        self.pair(&params)
    }

    /// A certificate for a client of this name.
    pub fn client(&self, name: &str) -> anyhow::Result<Pair> {
        let mut params = CertificateParams::new([])?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.pair(&params)
    }

    fn pair(&self, params: &CertificateParams) -> anyhow::Result<Pair> {
        let key = KeyPair::generate()?;
        Ok(Pair { certificate: params.signed_by(&key, &self.issuer)?.pem(), key: key.serialize_pem() })
    }
}

/// Makes a good certificate in a folder, and returns the file of its authority.
pub(crate) fn make_certificates(folder: &Path) -> anyhow::Result<PathBuf> {
    let authority = Authority::new("of the testbed")?;
    authority.server(Flaw::None)?.write(folder)?;
    authority.write(folder)
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display())).map(|()| path)
}

/// What turns the listener above these lines of a `mosquitto.conf` into one of TLS.
pub(crate) fn lines_of_mosquitto(folder: &Path) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    format!("certfile {}\nkeyfile {}\n", file(CERTIFICATE), file(KEY))
}
