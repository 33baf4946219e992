//! TLS of servers under test: their files, and how each server reads them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::folder::Folder;
use crate::tls::{Authority, Pair};

/// The certificate that a server shows, and whose clients' certificates it needs, if any.
#[derive(Debug, Clone)]
pub struct ServerTls {
    pair: Pair,
    clients: Option<String>,
}

/// The files of a [`ServerTls`] in a server's folder.
#[derive(Debug)]
pub(crate) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    clients: Option<PathBuf>,
}

impl ServerTls {
    /// A server that shows this certificate.
    pub fn showing(pair: Pair) -> Self {
        Self { pair, clients: None }
    }

    /// Needs certificates of this authority from its clients.
    #[must_use]
    pub fn asking_for(self, clients: &Authority) -> Self {
        Self { clients: Some(clients.pem().to_owned()), ..self }
    }

    /// Writes the files over those before.
    pub(crate) fn write(&self, folder: &Folder) -> anyhow::Result<Files> {
        let (certificate, key) = self.pair.write(folder.path())?;
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&key, private).context("cannot protect the key")?;
        let clients = self.clients.as_ref().map(|pem| folder.write("clients.pem", pem)).transpose()?;
        Ok(Files { certificate, key, clients })
    }
}

impl Files {
    /// All of them, to give them to the user of the server.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.certificate, &self.key].into_iter().chain(&self.clients)
    }

    /// Lines of a `rabbitmq.conf`, with a listener on this port.
    pub(crate) fn of_rabbitmq(&self, port: u16) -> String {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let shown = format!(
            "listeners.ssl.default = 127.0.0.1:{port}\n\
             ssl_options.certfile = {certificate}\n\
             ssl_options.keyfile = {key}\n"
        );
        match &self.clients {
            Some(clients) => {
                let clients = clients.display();
                shown
                    + &format!(
                        "ssl_options.cacertfile = {clients}\n\
                         ssl_options.verify = verify_peer\n\
                         ssl_options.fail_if_no_peer_cert = true\n"
                    )
            }
            None => shown + "ssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n",
        }
    }

    /// Arguments of `redis-server`, with a listener on this port.
    pub(crate) fn of_redis(&self, port: u16) -> Vec<String> {
        let asks = if self.clients.is_some() { "yes" } else { "no" };
        let known = self.clients.as_ref().unwrap_or(&self.certificate);
        let arguments = [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", self.certificate.display().to_string()),
            ("--tls-key-file", self.key.display().to_string()),
            ("--tls-ca-cert-file", known.display().to_string()),
            ("--tls-auth-clients", asks.to_owned()),
        ];
        arguments.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// Settings of `postgres`.
    pub(crate) fn of_postgres(&self) -> Vec<String> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let shown = ["ssl=on".to_owned(), format!("ssl_cert_file={certificate}"), format!("ssl_key_file={key}")];
        let asked = self.clients.iter().map(|clients| format!("ssl_ca_file={}", clients.display()));
        shown.into_iter().chain(asked).collect()
    }

    /// The first line of a `pg_hba.conf`, if clients need a certificate.
    pub(crate) fn of_postgres_clients(&self) -> Option<&'static str> {
        self.clients.is_some().then_some("hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n")
    }
}
