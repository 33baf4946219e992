//! Receivers that misbehave: none costs more than its timeout, and each is reported in plain words.

use ledger_stores::testing::temporary;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::addressed::{test, test_within, webhook_to};
use super::receiver::{Receiver, accepted};
use super::*;
use crate::addresses::PrivateAddresses::Allowed;

const SHORT: Duration = Duration::from_millis(300);

/// A server that treats each connection like this; returns its port.
async fn server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> u16
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(serve(socket));
        }
    });
    port
}

/// Reads the beginning of a request, and sends this.
async fn answer(mut socket: TcpStream, bytes: &[u8]) -> TcpStream {
    let mut request = [0; 4_096];
    drop(socket.read(&mut request).await);
    drop(socket.write_all(bytes).await);
    socket
}

fn at(port: u16) -> String {
    format!("http://127.0.0.1:{port}/")
}

#[tokio::test]
async fn a_receiver_that_never_answers_costs_its_timeout() {
    let silent = server(|socket| async move {
        let _open = socket;
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(test_within(Allowed, &at(silent), SHORT).await, Err("no answer within 300ms".to_owned()));

    let trickling = server(|socket| async move {
        let mut socket = answer(socket, b"HTTP/1.1 200 OK\r\n").await;
        while socket.write_all(b"x-more: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(test_within(Allowed, &at(trickling), SHORT).await, Err("no answer within 300ms".to_owned()));
}

#[tokio::test]
async fn an_endless_body_is_not_read_to_its_end() {
    let endless = server(|socket| async move {
        let mut socket = answer(socket, b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n").await;
        while socket.write_all(&[b'x'; 8_192]).await.is_ok() {}
    })
    .await;
    assert_eq!(test(Allowed, &at(endless)).await, Ok(()));

    let begun = tokio::time::Instant::now();
    let slow = server(|socket| async move {
        let mut socket = answer(socket, b"HTTP/1.1 500 X\r\ncontent-length: 1000000\r\n\r\n").await;
        while socket.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let problem = test(Allowed, &at(slow)).await.unwrap_err();
    assert_eq!(problem, "the receiver answered 500 Internal Server Error");
    assert!(begun.elapsed() < PATIENCE / 2);
}

#[tokio::test]
async fn what_is_no_http_is_reported_without_its_words() {
    for bytes in [&b"CANARY88 is no HTTP\r\n\r\n"[..], b"", b"HTTP/1.1 999999 CANARY88\r\n\r\n"] {
        let port = server(move |socket| async move { drop(answer(socket, bytes).await) }).await;
        let problem = test(Allowed, &at(port)).await.unwrap_err();
        assert!(problem.starts_with("no answer: ") && !problem.contains("CANARY88"), "{problem}");
    }
    let mut huge = b"HTTP/1.1 200 OK\r\n".to_vec();
    for _ in 0..200 {
        huge.extend_from_slice(format!("x: {}\r\n", "y".repeat(8_192)).as_bytes());
    }
    let huge: &'static [u8] = huge.leak();
    let port = server(move |socket| async move { drop(answer(socket, huge).await) }).await;
    assert!(test(Allowed, &at(port)).await.is_err());
}

#[tokio::test]
async fn a_receiver_that_is_down_or_has_a_wrong_certificate_is_reported_in_plain_words() {
    let port = testbed::free_port();
    let problem = test(Allowed, &at(port)).await.unwrap_err();
    assert!(problem.starts_with("no connection: ") && problem.contains("refused"), "{problem}");

    let plain = Receiver::accepting().await;
    let problem = test(Allowed, &format!("https://127.0.0.1:{}/", plain.port())).await.unwrap_err();
    assert!(problem.starts_with("TLS: "), "{problem}");

    let problem = test(Allowed, "https://no-such-host.invalid/").await.unwrap_err();
    assert!(problem.starts_with("no connection: "), "{problem}");
}

#[tokio::test]
async fn no_problem_contains_the_address_of_the_receiver() {
    let sender = Sender::new(Allowed, &Connector::default());
    let port = testbed::free_port();
    let now = parking::Timestamp::from_millis(0);
    let webhook = webhook_to(&format!("http://127.0.0.1:{port}/secret-path?key=hidden"));
    let problem = sender.test(&webhook, PATIENCE, now).await.unwrap_err();
    assert!(!problem.contains("secret-path") && !problem.contains("hidden"), "{problem}");
}

/// Eight requests that hang are all that a receiver gets, and other webhooks are not held up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_holds_up_no_other_webhook() {
    let (ledger, _folder) = temporary().await;
    record(&ledger, vehicles("P3", 0, 50)).await;
    let hanging = server(|socket| async move {
        let _open = socket;
        std::future::pending::<()>().await;
    })
    .await;
    let healthy = Receiver::answering(|_, _| accepted()).await;
    let site = Site::on(&ledger, Pace { answer_timeout: Duration::from_secs(30), ..quick() });
    let stuck = NewWebhook { url: at(hanging), ..new_webhook(&healthy) };
    let stuck = site.local().create_webhook(stuck).await.unwrap();

    let webhook = site.webhook(&healthy).await;
    site.until(&webhook, "all deliveries", |webhook| webhook.sequence == 200 && webhook.waiting == 0).await;

    assert_in_order(&healthy.received(), 1..=200);
    assert_eq!(site.standing(&stuck).await.delivered, None);
    site.stop().await;
}
