//! Certificates for servers under test: an authority of their own, and one certificate for this machine.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

const AUTHORITY: &str = "authority.pem";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";

/// Makes certificates for `localhost` and `127.0.0.1` in a folder, and returns the file of their authority.
pub(crate) fn make_certificates(folder: &Path) -> anyhow::Result<PathBuf> {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display())).map(|()| path)
    };
    let mut authority = CertificateParams::new([])?;
    // OpenSSL takes a certificate for a self-signed one if its issuer has the same name.
    authority.distinguished_name.push(DnType::CommonName, "authority of the testbed");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let file = write(AUTHORITY, authority.self_signed(&authority_key)?.pem())?;
    let key = KeyPair::generate()?;
    let server = CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    write(CERTIFICATE, server.signed_by(&key, &Issuer::new(authority, authority_key))?.pem())?;
    write(KEY, key.serialize_pem())?;
    Ok(file)
}

/// What turns the listener above these lines of a `mosquitto.conf` into one of TLS.
pub(crate) fn lines_of_mosquitto(folder: &Path) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    format!("certfile {}\nkeyfile {}\n", file(CERTIFICATE), file(KEY))
}
