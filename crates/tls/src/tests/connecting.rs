//! Claims about clients: which servers they trust, and how they explain why not.

use std::io;

use super::*;

/// A listener with a certificate of `authority`, and the settings of a client.
struct Pairing {
    server: Files,
    client: Settings,
}

impl Pairing {
    /// Both sides know the authority of the other one.
    fn new() -> Self {
        let server = Files::new();
        let file = server.authority.write(server.folder.path()).unwrap();
        let client = Settings::from_variables([("DWELL_CA_FILE", file.to_str().unwrap())]).unwrap();
        Self { server, client }
    }

    /// What the client says about the connection, also when it reads the first byte.
    async fn connect(&self, listener: &Listener) -> io::Result<()> {
        let connector = Connector::from_settings(&self.client).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = port.local_addr().unwrap();
        let serving = async {
            // A refusal is what the client learns.
            if let Ok(Accepted::Tls { mut stream, .. }) =
                listener.accept(port.accept().await.unwrap().0, Protocol::Grpc).await
            {
                drop(stream.write_all(b"!").await);
                drop(stream.flush().await);
            }
        };
        let connecting = async {
            let mut stream = connector.connect("localhost", TcpStream::connect(address).await.unwrap()).await?;
            stream.read_u8().await.map(drop)
        };
        tokio::join!(serving, connecting).1
    }

    async fn explained(&self, listener: &Listener) -> (String, String) {
        let error = self.connect(listener).await.unwrap_err();
        let text = Failure::among(&error).unwrap_or_else(|| panic!("{error} is not explained")).to_string();
        assert_eq!(error.to_string(), text);
        let (cause, remedy) = Failure::in_text(&text).unwrap();
        (cause.to_owned(), remedy.to_owned())
    }
}

#[tokio::test]
async fn a_server_of_an_own_authority_is_trusted() {
    let pairing = Pairing::new();
    pairing.connect(&pairing.server.listener()).await.unwrap();
}

#[tokio::test]
async fn a_wrong_certificate_is_explained_with_what_to_do() {
    for (flaw, cause, remedy) in [
        (
            Flaw::Expired,
            "has expired: it was valid until 2021-01-01T00:00:00.000Z, and the clock here says 2",
            "correct the clock",
        ),
        (Flaw::NotYetValid, "is not valid yet: it is from 2090-01-01T00:00:00.000Z on", "correct the clock"),
        (Flaw::WrongName, "elsewhere.example", "as host into the address"),
    ] {
        let pairing = Pairing::new();
        pairing.server.authority.server(flaw).unwrap().write(pairing.server.folder.path()).unwrap();

        let said = pairing.explained(&pairing.server.listener()).await;

        assert!(said.0.contains(cause) && said.1.contains(remedy), "{flaw:?}: {said:?}");
    }
}

#[tokio::test]
async fn an_unknown_authority_is_explained_and_the_file_is_read_for_each_connection() {
    let pairing = Pairing::new();
    let listener = pairing.server.listener();
    Authority::new("of strangers").unwrap().write(pairing.server.folder.path()).unwrap();

    let said = pairing.explained(&listener).await;
    assert!(said.0.contains("UnknownIssuer") && said.1.contains("DWELL_CA_FILE"), "{said:?}");

    pairing.server.authority.write(pairing.server.folder.path()).unwrap();
    pairing.connect(&listener).await.unwrap();
}

#[tokio::test]
async fn a_server_that_needs_a_certificate_gets_it_or_its_refusal_is_explained() {
    let mut pairing = Pairing::new();
    let clients = tempfile::tempdir().unwrap();
    let authority = Authority::new("of clients").unwrap();
    let file = authority.write(clients.path()).unwrap();
    let listener = Listener::from_settings(&pairing.server.settings(Some(&file))).unwrap().unwrap();

    let missing = pairing.explained(&listener).await;
    let stranger = Authority::new("of strangers").unwrap().client("a gate").unwrap().write(clients.path()).unwrap();
    let (certificate, key) = stranger;
    let client = pairing.client.with(&settings::CLIENT_CERT_FILE, certificate.to_str().unwrap());
    pairing.client = client.with(&settings::CLIENT_KEY_FILE, key.to_str().unwrap());
    let unknown = pairing.explained(&listener).await;
    authority.client("a gate").unwrap().write(clients.path()).unwrap();

    for said in [&missing, &unknown] {
        assert!(said.0.contains("certificate of this client") && said.1.contains("DWELL_CLIENT_CERT_FILE"), "{said:?}");
    }
    pairing.connect(&listener).await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart_from_one_that_hangs_up() {
    let pairing = Pairing::new();
    let connector = Connector::from_settings(&pairing.client).unwrap();
    for (answer, expected) in
        [("HTTP/1.1 400 Bad Request\r\n\r\n", "does not answer with TLS"), ("", "ended the connection")]
    {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(port.local_addr().unwrap()).await.unwrap();
        let plain = async {
            let mut stream = port.accept().await.unwrap().0;
            let mut hello = [0; 5];
            stream.read_exact(&mut hello).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        };

        let said = tokio::join!(plain, connector.connect("localhost", socket)).1.unwrap_err().to_string();

        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn the_end_of_an_established_session_is_no_failed_handshake() {
    for is_end_of_server in [true, false] {
        let pairing = Pairing::new();
        let connector = Connector::from_settings(&pairing.client).unwrap();
        let listener = pairing.server.listener();
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(port.local_addr().unwrap()).await.unwrap();
        let accepting = async { listener.accept(port.accept().await.unwrap().0, Protocol::Http).await };
        let (accepted, client) = tokio::join!(accepting, connector.connect("localhost", socket));
        let (Ok(Accepted::Tls { stream: mut server, .. }), Ok(mut client)) = (accepted, client) else {
            panic!("no TLS")
        };
        let reading = if is_end_of_server {
            server.write_all(b"!").await.unwrap();
            server.flush().await.unwrap();
            client.read_u8().await.unwrap();
            // Without the end of TLS, as if the process were killed.
            drop(server);
            client.read(&mut [0]).await
        } else {
            drop(client);
            server.read(&mut [0]).await
        };

        let error = reading.unwrap_err();

        assert!(Failure::among(&error).is_none(), "{error}");
    }
}

#[tokio::test]
async fn the_scheme_of_an_address_may_have_capitals() {
    let pairing = Pairing::new();
    let listener = pairing.server.listener();
    let config = Connector::from_settings(&pairing.client).unwrap().config_of_http("HTTPS://localhost").unwrap();

    let (_, client) = meet(&listener, Protocol::Http, Arc::new(config)).await;

    assert!(client.is_ok(), "{client:?}");
}

#[test]
fn files_of_a_client_that_do_not_fit_are_refused_at_the_start() {
    let refused = |variables: &[(&str, &str)]| {
        let settings = Settings::from_variables(variables.iter().copied()).unwrap();
        Connector::from_settings(&settings).unwrap_err().to_string()
    };
    let nowhere = refused(&[("DWELL_CA_FILE", "/nowhere/ca.pem")]);
    assert!(nowhere.contains("DWELL_CA_FILE") && nowhere.contains("can't be read"), "{nowhere}");
    let alone = refused(&[("DWELL_CLIENT_CERT_FILE", "/nowhere/certificate.pem")]);
    assert!(alone.contains("it needs DWELL_CLIENT_KEY_FILE (--client-key-file) too"), "{alone}");
}
