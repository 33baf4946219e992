//! Claims about ports with TLS.

use ::tls::Connector;
use settings::Settings;
use testbed::{Authority, Flaw};
use tokio::time::timeout;

use super::*;
use crate::tls::Listener;

/// More handshakes that were begun than the connections that one address may have without a complete request.
const HALF_HANDSHAKES: usize = 300;
/// A record of the handshake that lacks its end.
const HALF_A_HELLO: [u8; 6] = [0x16, 3, 1, 0, 200, 1];
const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const SECRET: &str = "GET /secret HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A server with a certificate, and if asked for, one that needs certificates of its clients.
async fn running(limits: Limits, needs_certificates: bool) -> Running {
    with_authority(limits, needs_certificates).await.0
}

/// Like [`running`], with the authority of its certificate and of its clients.
async fn with_authority(limits: Limits, needs_certificates: bool) -> (Running, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("of a test").unwrap();
    let (certificate, key) = authority.server(Flaw::None).unwrap().write(folder.path()).unwrap();
    let settings = Settings::from_variables([]).unwrap();
    let settings = settings.with(&settings::TLS_CERT_FILE, certificate.to_str().unwrap());
    let settings = settings.with(&settings::TLS_KEY_FILE, key.to_str().unwrap());
    let clients = authority.write(folder.path()).unwrap();
    let given = if needs_certificates { clients.to_str().unwrap() } else { "" };
    let settings = settings.with(&settings::TLS_CLIENT_CA_FILE, given);
    let mut context = ServiceContext::for_testing();
    context.tls = Listener::start(&settings, &context.clock, &context.registry, &context.lifecycle).unwrap();
    (Running::over(Router::new().route("/secret", get(|| async { "secret" })), limits, context).await, authority)
}

impl Running {
    async fn answer_over_tls(&self, request: &str) -> String {
        let asked = async {
            let mut stream = ::tls::connect_unverified(self.connect().await).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        timeout(DEADLINE, asked).await.expect("an answer")
    }
}

#[tokio::test]
async fn requests_over_tls_are_answered_and_plain_ones_learn_what_to_do() {
    let running = running(Limits::default(), false).await;
    let mut plain = running.connect().await;
    plain.write_all(SECRET.as_bytes()).await.unwrap();

    let refused = rest_of(plain).await;
    let answered = running.answer_over_tls(SECRET).await;

    assert!(answered.starts_with("HTTP/1.1 200 ") && answered.ends_with("secret"), "{answered}");
    assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("begin the address with https://"), "{refused}");
    let metrics = running.answer_over_tls(&LIVEZ.replace("livez", "metrics")).await;
    assert!(metrics.contains("dwell_http_requests_refused_total{reason=\"no_tls\"} 1"), "{metrics}");
    assert!(metrics.contains("dwell_tls_certificate_expiry_timestamp_seconds 67090118400"), "{metrics}");
}

#[tokio::test]
async fn handshakes_that_do_not_end_delay_nobody() {
    let running = running(Limits { head: DEADLINE * 10, ..Limits::default() }, false).await;
    let mut half = Vec::new();
    for _ in 0..HALF_HANDSHAKES {
        let mut stream = running.connect().await;
        stream.write_all(&HALF_A_HELLO).await.unwrap();
        half.push(stream);
    }

    let answer = running.answer_over_tls(LIVEZ).await;

    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    running.context.lifecycle.stop();
    running.ends().await;
}

#[tokio::test]
async fn a_handshake_has_the_time_of_a_head() {
    let running = running(Limits { head: Duration::from_millis(50), ..Limits::default() }, false).await;
    let (silent, mut half) = (running.connect().await, running.connect().await);
    half.write_all(&HALF_A_HELLO).await.unwrap();

    assert_eq!(rest_of(silent).await, "");
    let ended = timeout(DEADLINE, half.read_u8()).await.expect("the server closes");
    assert!(ended.is_err(), "{ended:?}");
    let metrics = metrics::render(&running.context.registry);
    assert!(metrics.contains("dwell_tls_handshakes_failed_total 2"), "{metrics}");
}

#[tokio::test]
async fn a_connection_with_a_certificate_ends_at_its_greatest_age() {
    let (running, authority) = with_authority(Limits { certified: Duration::ZERO, ..Limits::default() }, true).await;
    let (folder, pair) = (tempfile::tempdir().unwrap(), authority.client("a gate").unwrap());
    let (certificate, key) = pair.write(folder.path()).unwrap();
    let files = [
        ("DWELL_CA_FILE", authority.write(folder.path()).unwrap()),
        ("DWELL_CLIENT_CERT_FILE", certificate),
        ("DWELL_CLIENT_KEY_FILE", key),
    ];
    let settings = Settings::from_variables(files.each_ref().map(|(name, path)| (*name, path.to_str().unwrap())));
    let connector = Connector::from_settings(&settings.unwrap()).unwrap();
    let mut stream = connector.connect("localhost", running.connect().await).await.unwrap();

    let asked = async {
        stream.write_all(b"GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = timeout(DEADLINE, asked).await.expect("the connection ends");

    assert!(answer.contains("connection: close") && answer.ends_with("secret"), "{answer}");
}

#[tokio::test]
async fn a_page_without_tls_is_of_another_site() {
    let running = running(Limits::default(), false).await;
    let of_origin = |scheme: &str| SECRET.replace("Host:", &format!("Origin: {scheme}://localhost\r\nHost:"));

    let of_own = running.answer_over_tls(&of_origin("https")).await;
    let of_other = running.answer_over_tls(&of_origin("http")).await;

    assert!(of_own.starts_with("HTTP/1.1 200 "), "{of_own}");
    assert!(of_other.starts_with("HTTP/1.1 403 "), "{of_other}");
}

#[tokio::test]
async fn without_the_certificate_that_is_needed_there_are_health_and_metrics_only() {
    let running = running(Limits::default(), true).await;

    let health = running.answer_over_tls(LIVEZ).await;
    let refused = running.answer_over_tls(SECRET).await;

    assert!(health.starts_with("HTTP/1.1 200 "), "{health}");
    assert!(refused.starts_with("HTTP/1.1 403 ") && refused.contains("DWELL_TLS_CLIENT_CA_FILE"), "{refused}");
}

#[tokio::test]
async fn a_health_check_works_with_tls_too() {
    let running = running(Limits::default(), true).await;

    let ready = probe_ready(&running.address, true).await;
    let plain = probe_ready(&running.address, false).await.unwrap_err().to_string();

    assert!(ready.is_ok(), "{ready:?}");
    assert!(plain.contains("400") && plain.contains("https://"), "{plain}");
}
