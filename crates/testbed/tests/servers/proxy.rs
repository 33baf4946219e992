//! The proxy: each fault does what its name says, and ends when the proxy is healed.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use testbed::{Proxy, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const EVENT_DEADLINE: Duration = Duration::from_secs(10);
/// How long a test waits for a reply that must not come.
const NO_REPLY_WAIT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_healthy_proxy_passes_everything_and_closes_when_told() {
    let proxy = Proxy::start(echo_server().await.unwrap()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let sent: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();

    let (mut read, mut write) = client.split();
    let mut received = Vec::new();
    let write = async {
        write.write_all(&sent).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (_, ()) = tokio::join!(read.read_to_end(&mut received), write);

    assert!(sent == received, "{} bytes came back", received.len());
}

#[tokio::test]
async fn a_delay_holds_for_each_way_and_ends() {
    let proxy = Proxy::start(echo_server().await.unwrap()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();

    proxy.delay(Duration::from_millis(300));
    let start = Instant::now();
    assert_eq!(echo(&mut client, b"slow").await.unwrap(), b"slow");
    let delayed = start.elapsed();
    proxy.heal().await.unwrap();
    let start = Instant::now();
    assert_eq!(echo(&mut client, b"fast").await.unwrap(), b"fast");

    assert!(delayed >= Duration::from_millis(600), "{delayed:?}");
    assert!(start.elapsed() < Duration::from_millis(600), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_cut_closes_what_is_open_and_refuses_what_comes() {
    let proxy = Proxy::start(echo_server().await.unwrap()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    echo(&mut client, b"open").await.unwrap();

    proxy.cut().await;

    assert!(echo(&mut client, b"lost").await.is_err());
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    proxy.heal().await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(echo(&mut client, b"back").await.unwrap(), b"back");
}

#[tokio::test]
async fn a_black_hole_accepts_and_answers_nothing_and_its_connections_end_with_it() {
    let proxy = Proxy::start(echo_server().await.unwrap()).await.unwrap();
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    echo(&mut old, b"before").await.unwrap();

    proxy.black_hole();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    let of_the_old = tokio::time::timeout(NO_REPLY_WAIT, echo(&mut old, b"anyone")).await;
    let of_the_new = tokio::time::timeout(NO_REPLY_WAIT, echo(&mut new, b"anyone")).await;
    proxy.heal().await.unwrap();

    assert!(of_the_old.is_err() && of_the_new.is_err());
    for mut client in [old, new] {
        assert!(tokio::time::timeout(EVENT_DEADLINE, client.read(&mut [0])).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn lost_replies_reach_nobody_though_the_server_got_the_request() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap().to_string()).await.unwrap();
    proxy.lose_replies();

    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.write_all(b"ask").await.unwrap();
    let mut request = [0; 3];
    server.read_exact(&mut request).await.unwrap();
    server.write_all(b"answer").await.unwrap();
    let reply = tokio::time::timeout(NO_REPLY_WAIT, client.read(&mut [0])).await;

    assert_eq!(&request, b"ask");
    assert!(reply.is_err());
}

#[tokio::test]
async fn a_connection_is_reset_at_exactly_the_byte_that_was_named() {
    let proxy = Proxy::start(echo_server().await.unwrap()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    echo(&mut client, b"before").await.unwrap();

    proxy.reset_after(6);
    client.write_all(b"four").await.unwrap();
    let mut received = Vec::new();
    let end = tokio::time::timeout(EVENT_DEADLINE, client.read_to_end(&mut received)).await.unwrap();

    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(received, b"fo");
}

#[tokio::test]
async fn connections_to_come_follow_a_redirection() {
    let proxy = Proxy::start("127.0.0.1:1").await.unwrap();
    let mut nowhere = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(echo(&mut nowhere, b"hello").await.is_err());

    proxy.redirect(echo_server().await.unwrap());

    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(echo(&mut client, b"hello").await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_url_is_led_through_the_proxy_and_a_dropped_proxy_refuses() {
    let proxy = Proxy::start("127.0.0.1:6379").await.unwrap();
    let address = proxy.address();

    assert_eq!(proxy.url("redis://user@127.0.0.1:6379/3"), format!("redis://user@{address}/3"));

    drop(proxy);
    wait_until(EVENT_DEADLINE, "the proxy to end", async || TcpStream::connect(address).await.is_err()).await;
}

async fn echo(client: &mut TcpStream, message: &[u8]) -> std::io::Result<Vec<u8>> {
    client.write_all(message).await?;
    let mut answer = vec![0; message.len()];
    client.read_exact(&mut answer).await?;
    Ok(answer)
}

async fn echo_server() -> std::io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                // A connection that a test breaks ends in an error, which is its purpose.
                tokio::io::copy(&mut read, &mut write).await.ok();
            });
        }
    });
    Ok(address.to_string())
}
