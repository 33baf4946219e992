//! Claims about listeners: which clients they let in, and what becomes of changed files; and about connectors.

mod connecting;

use std::path::Path;
use std::sync::Arc;

use parking::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use settings::Settings;
use testbed::{Authority, Flaw, Pair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_727_168_400_000);

struct Files {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("of servers").unwrap());
        authority.server(Flaw::None).unwrap().write(folder.path()).unwrap();
        Self { folder, authority }
    }

    fn settings(&self, clients: Option<&Path>) -> Settings {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let settings = Settings::from_variables([]).unwrap();
        let settings = settings.with(&settings::TLS_CERT_FILE, &path("certificate.pem"));
        let settings = settings.with(&settings::TLS_KEY_FILE, &path("key.pem"));
        match clients {
            Some(authority) => settings.with(&settings::TLS_CLIENT_CA_FILE, authority.to_str().unwrap()),
            None => settings,
        }
    }

    fn listener(&self) -> Listener {
        Listener::from_settings(&self.settings(None)).unwrap().unwrap()
    }

    /// Writes a pair over the files, and waits until the listener has looked at it.
    fn replace(&self, pair: &Pair, listener: &Listener) -> Reload {
        pair.write(self.folder.path()).unwrap();
        assert_eq!(listener.reload(NOW), Reload::Unchanged, "files were read while they were written");
        listener.reload(NOW)
    }

    /// The configuration of a client that trusts this authority, and shows a certificate if it has one.
    fn client(&self, shown: Option<&Pair>) -> Arc<ClientConfig> {
        self.client_of(rustls::DEFAULT_VERSIONS, shown)
    }

    fn client_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        shown: Option<&Pair>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        pem::authorities(&self.authority.write(self.folder.path()).unwrap(), &mut roots).unwrap();
        let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        let config = config.with_root_certificates(roots);
        Arc::new(match shown {
            None => config.with_no_client_auth(),
            Some(pair) => {
                let chain = vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        })
    }
}

/// What a listener thinks of a client, and the connection as the client has it.
async fn meet(
    listener: &Listener,
    protocol: Protocol,
    client: Arc<ClientConfig>,
) -> (std::io::Result<Accepted>, std::io::Result<tokio_rustls::client::TlsStream<TcpStream>>) {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = port.local_addr().unwrap();
    let server = async { listener.accept(port.accept().await.unwrap().0, protocol).await };
    let client = async {
        let socket = TcpStream::connect(address).await.unwrap();
        TlsConnector::from(client).connect(ServerName::try_from("localhost").unwrap(), socket).await
    };
    tokio::join!(server, client)
}

#[tokio::test]
async fn a_client_needs_a_certificate_of_the_authority_and_http_decides_itself_about_one_without() {
    let (files, clients) = (Files::new(), tempfile::tempdir().unwrap());
    let authority = Authority::new("of clients").unwrap();
    let file = authority.write(clients.path()).unwrap();
    let listener = Listener::from_settings(&files.settings(Some(&file))).unwrap().unwrap();
    let good = authority.client("a gate").unwrap();
    let stranger = Authority::new("of strangers").unwrap().client("a gate").unwrap();
    let is_for_servers = authority.server(Flaw::None).unwrap();

    let mut met = Vec::new();
    for shown in [Some(&good), Some(&stranger), Some(&is_for_servers), None] {
        for protocol in [Protocol::Http, Protocol::Grpc] {
            met.push(match meet(&listener, protocol, files.client(shown)).await.0 {
                Ok(Accepted::Tls { has_certificate, .. }) => Some(has_certificate),
                Ok(Accepted::Plain(_)) => panic!("a client without TLS"),
                Err(_) => None,
            });
        }
    }

    assert!(listener.needs_certificates());
    assert_eq!(met, [Some(true), Some(true), None, None, None, None, Some(false), None]);
}

#[tokio::test]
async fn the_certificate_of_a_client_is_verified_on_every_connection() {
    let (files, clients) = (Files::new(), tempfile::tempdir().unwrap());
    let authority = Authority::new("of clients").unwrap();
    let file = authority.write(clients.path()).unwrap();
    let listener = Listener::from_settings(&files.settings(Some(&file))).unwrap().unwrap();
    let shown = authority.client("a gate").unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for protocol in [Protocol::Http, Protocol::Grpc] {
            // Keeps what the server sends for a resumption.
            let client = files.client_of(&[version], Some(&shown));
            for _ in 0..2 {
                let (server, met) = meet(&listener, protocol, Arc::clone(&client)).await;
                let (Ok(Accepted::Tls { mut stream, .. }), Ok(mut met)) = (server, met) else { panic!("no TLS") };
                stream.write_all(b"!").await.unwrap();
                stream.flush().await.unwrap();
                met.read_u8().await.unwrap();

                assert_eq!(met.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "{version:?} {protocol:?}");
            }
        }
    }
}

#[tokio::test]
async fn new_connections_have_the_new_certificate_and_open_ones_stay() {
    let files = Files::new();
    let listener = files.listener();
    let (server, before) = meet(&listener, Protocol::Http, files.client(None)).await;
    let Ok(Accepted::Tls { stream: mut server, .. }) = server else { panic!("no TLS") };
    let mut before = before.unwrap();
    let shown = |stream: &tokio_rustls::client::TlsStream<TcpStream>| {
        stream.get_ref().1.peer_certificates().unwrap()[0].clone()
    };

    let reload = files.replace(&files.authority.server(Flaw::None).unwrap(), &listener);
    let (_, after) = meet(&listener, Protocol::Http, files.client(None)).await;
    server.write_all(b"still here").await.unwrap();
    server.flush().await.unwrap();
    let mut text = [0; 10];
    before.read_exact(&mut text).await.unwrap();

    assert_eq!(reload, Reload::Done);
    assert_ne!(shown(&before), shown(&after.unwrap()));
    assert_eq!(&text, b"still here");
    assert_eq!(listener.reload(NOW), Reload::Unchanged);
}

#[tokio::test]
async fn a_new_pair_that_is_wrong_is_reported_once_and_the_old_one_stays_in_use() {
    let files = Files::new();
    let listener = files.listener();
    let good = || files.authority.server(Flaw::None).unwrap();
    let expired = files.authority.server(Flaw::Expired).unwrap();
    let cases = [
        (Pair { key: good().key, ..good() }, "it is not the key of the certificate in"),
        (Pair { certificate: String::new(), ..good() }, "the file has no certificate"),
        (Pair { key: "secret".to_owned(), ..good() }, "the file has no private key"),
        (expired, "the certificate has expired: it was valid until 2021"),
    ];
    for (pair, expected) in cases {
        let Reload::Refused(reason) = files.replace(&pair, &listener) else { panic!("{expected}: taken") };

        assert!(reason.starts_with("DWELL_TLS_") && reason.contains(expected), "{reason}");
        assert!(!reason.contains("secret"), "{reason}");
        assert_eq!(listener.reload(NOW), Reload::Unchanged);
        assert!(meet(&listener, Protocol::Http, files.client(None)).await.1.is_ok());
    }
    assert_eq!(files.replace(&good(), &listener), Reload::Done);
}

#[test]
fn a_refused_pair_is_in_use_once_it_is_valid_without_another_change() {
    const IN_2091: Timestamp = Timestamp::from_millis(3_820_000_000_000);
    let files = Files::new();
    let listener = files.listener();
    let early = files.authority.server(Flaw::NotYetValid).unwrap();

    let refused = files.replace(&early, &listener);
    let once_more = listener.reload(NOW);
    let valid = listener.reload(IN_2091);

    assert!(matches!(refused, Reload::Refused(_)), "{refused:?}");
    assert_eq!((once_more, valid), (Reload::Unchanged, Reload::Done));
}

#[test]
fn each_change_that_is_refused_is_reported() {
    let files = Files::new();
    let listener = files.listener();
    for _ in 0..2 {
        let expired = files.authority.server(Flaw::Expired).unwrap();
        let refused = files.replace(&expired, &listener);
        assert!(matches!(refused, Reload::Refused(_)), "{refused:?}");
    }
}

#[tokio::test]
async fn a_client_without_tls_is_told_apart_and_keeps_its_bytes() {
    let files = Files::new();
    let listener = files.listener();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(port.local_addr().unwrap()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();

    let accepted = listener.accept(port.accept().await.unwrap().0, Protocol::Http).await.unwrap();

    let Accepted::Plain(mut socket) = accepted else { panic!("TLS") };
    let mut text = [0; 5];
    socket.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"GET /");
}

#[test]
fn files_that_do_not_fit_are_refused_at_the_start_with_setting_and_remedy() {
    let files = Files::new();
    let refused = |settings: &Settings| Listener::from_settings(settings).unwrap_err().to_string();
    let alone = Settings::from_variables([("DWELL_TLS_CERT_FILE", "/nowhere/certificate.pem")]).unwrap();
    assert!(refused(&alone).contains("it needs DWELL_TLS_KEY_FILE (--tls-key-file) too"), "{}", refused(&alone));
    let clients = Settings::from_variables([("DWELL_TLS_CLIENT_CA_FILE", "/nowhere/ca.pem")]).unwrap();
    assert!(refused(&clients).contains("it needs DWELL_TLS_CERT_FILE"), "{}", refused(&clients));
    let nowhere = files.settings(None).with(&settings::TLS_KEY_FILE, "/nowhere/key.pem");
    assert!(refused(&nowhere).contains("the file can't be read"), "{}", refused(&nowhere));
    let encrypted = files.folder.path().join("encrypted.pem");
    std::fs::write(&encrypted, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n").unwrap();
    let encrypted = files.settings(None).with(&settings::TLS_KEY_FILE, encrypted.to_str().unwrap());
    assert!(refused(&encrypted).contains("the key is encrypted; decrypt it"), "{}", refused(&encrypted));
    assert!(Listener::from_settings(&Settings::from_variables([]).unwrap()).unwrap().is_none());
}

#[tokio::test]
async fn a_probe_takes_any_certificate() {
    let files = Files::new();
    files.authority.server(Flaw::WrongName).unwrap().write(files.folder.path()).unwrap();
    let listener = files.listener();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = port.local_addr().unwrap();
    let server = async { listener.accept(port.accept().await.unwrap().0, Protocol::Http).await };
    let client = async { connect_unverified(TcpStream::connect(address).await.unwrap()).await };

    let (server, client) = tokio::join!(server, client);

    assert!(server.is_ok() && client.is_ok(), "{server:?} {client:?}");
}
