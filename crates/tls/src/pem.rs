//! Certificates and keys in PEM files. Reasons never repeat a part of a file: it may be a key.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The certificates of the file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = settings::read_file(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err("the file has no certificate, which begins with -----BEGIN CERTIFICATE-----".to_owned()),
        Err(_) => Err("a certificate in the file is damaged".to_owned()),
    }
}

/// The private key of the file.
pub(crate) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = settings::read_file(path)?;
    if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") || text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(
            "the key is encrypted; decrypt it: openssl pkey -in ENCRYPTED -out KEY, then chmod 600 KEY".to_owned()
        );
    }
    PrivateKeyDer::from_pem_slice(text.as_bytes())
        .map_err(|_| "the file has no private key, which begins with -----BEGIN PRIVATE KEY-----".to_owned())
}

/// The authorities of the file, at least one, added to `store`.
pub(crate) fn authorities(path: &Path, store: &mut RootCertStore) -> Result<(), String> {
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|_| "a certificate in the file can't be that of an authority".to_owned())?;
    }
    Ok(())
}
