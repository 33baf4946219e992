//! Claims about the routes for operators, and about serving until the stop.

mod guarded;
mod slow_clients;
mod with_tls;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;
use crate::{Lifecycle, ServiceContext};

/// Longer than anything here takes, shorter than a person waits.
const DEADLINE: Duration = Duration::from_secs(10);

struct Running {
    address: Listen,
    context: ServiceContext,
    ended: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn with(router: Router, limits: Limits) -> Self {
        Self::over(router, limits, ServiceContext::for_testing()).await
    }

    /// With the TLS of the context.
    async fn over(router: Router, limits: Limits, context: ServiceContext) -> Self {
        let listener = bind(&Listen::loopback(0)).await.unwrap();
        let address = Listen::from(listener.local_addr().unwrap());
        let all = observability_routes(context.registry.clone(), context.health.clone()).merge(router);
        let server = Server::default().within(limits).over(context.tls.clone()).shown_in(&context.registry).unwrap();
        let ended = tokio::spawn(server.serve(listener, all, context.lifecycle.clone()));
        Self { address, context, ended }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let reply = testbed::get(format!("http://{}{path}", self.address)).await.unwrap();
        (reply.status().as_u16(), reply.text().await.unwrap())
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect((self.address.host.as_str(), self.address.port)).await.unwrap()
    }

    async fn ends(self) {
        tokio::time::timeout(DEADLINE, self.ended).await.expect("the server ends").unwrap();
    }
}

async fn rest_of(mut stream: TcpStream) -> String {
    let mut text = Vec::new();
    tokio::time::timeout(DEADLINE, stream.read_to_end(&mut text)).await.expect("the server closes").unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn every_request_knows_the_address_of_its_client() {
    let said = async |axum::Extension(RemoteNetwork(address)): axum::Extension<RemoteNetwork>| address.to_string();
    let running = Running::with(Router::new().route("/address", get(said)), Limits::default()).await;

    assert_eq!(running.get("/address").await, (200, "127.0.0.1".to_owned()));
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_and_an_ipv6_address_counts_as_its_network() {
    let said = async |axum::Extension(RemoteNetwork(address)): axum::Extension<RemoteNetwork>| address.to_string();
    let asked = async |proxies: &str, forwarded: &str| {
        let listener = bind(&Listen::loopback(0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let lifecycle = Lifecycle::new();
        let server = Server::default().behind(settings::TrustedProxies::parse(proxies).unwrap());
        let serving = tokio::spawn(server.serve(listener, Router::new().route("/", get(said)), lifecycle.clone()));
        let reply = testbed::http().get(url).header("x-forwarded-for", forwarded).send().await.unwrap();
        let address = reply.text().await.unwrap();
        lifecycle.stop();
        serving.await.unwrap();
        address
    };

    assert_eq!(asked("127.0.0.1", "198.51.100.1, 203.0.113.7").await, "203.0.113.7");
    assert_eq!(asked("127.0.0.1", "2001:db8:1:2:3:4:5:6").await, "2001:db8:1:2::");
    assert_eq!(asked("192.0.2.1", "203.0.113.7").await, "127.0.0.1");
}

#[tokio::test]
async fn readyz_turns_503_when_what_is_needed_is_down() {
    let running = Running::with(Router::new(), Limits::default()).await;
    let ledger = running.context.health.dependency("ledger");

    let before = running.get("/readyz?verbose").await;
    ledger.up();
    let up = running.get("/readyz").await;
    ledger.down("disk is full");
    let down = running.get("/readyz?verbose").await;

    assert_eq!(before, (503, "[-]ledger not connected yet\nnot ready\n".to_owned()));
    assert_eq!(up, (200, "ok\n".to_owned()));
    assert_eq!(down, (503, "[-]ledger disk is full\nnot ready\n".to_owned()));
    assert_eq!(running.get("/livez").await, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn metrics_page_has_its_content_type() {
    let running = Running::with(Router::new(), Limits::default()).await;
    let reply = testbed::get(format!("http://{}/metrics", running.address)).await.unwrap();
    assert_eq!(reply.headers()["content-type"], metrics::CONTENT_TYPE);
    assert!(reply.text().await.unwrap().contains("dwell_http_connections_max 1024\n"));
}

#[tokio::test]
async fn probe_tells_ready_from_not_ready_and_from_absent() {
    let running = Running::with(Router::new(), Limits::default()).await;
    let ledger = running.context.health.dependency("ledger");
    let everywhere = Listen { host: "0.0.0.0".to_owned(), port: running.address.port };

    let not_ready = probe_ready(&running.address, false).await.unwrap_err().to_string();
    ledger.up();
    let ready = probe_ready(&everywhere, false).await;
    let address = running.address.clone();
    running.context.lifecycle.stop();
    running.ends().await;
    let absent = probe_ready(&address, false).await.unwrap_err();

    assert!(not_ready.ends_with("503 Service Unavailable; [-]ledger not connected yet; not ready"), "{not_ready}");
    assert!(ready.is_ok(), "{ready:?}");
    assert!(matches!(absent, ProbeError::Unreachable { .. }));
}

#[tokio::test]
async fn taken_port_is_named_with_the_remedy() {
    let first = bind(&Listen::loopback(0)).await.unwrap();
    let taken = Listen::from(first.local_addr().unwrap());

    let error = bind(&taken).await.unwrap_err().to_string();

    let port = taken.port;
    assert!(error.starts_with(&format!("cannot listen on 127.0.0.1:{port}: port {port} is taken")), "{error}");
    assert!(error.ends_with("DWELL_LISTEN (--listen)"), "{error}");
}

#[tokio::test]
async fn stop_lets_the_request_under_way_finish_and_takes_no_other() {
    let (entered, begun) = oneshot::channel::<()>();
    let (go_on, held) = oneshot::channel::<()>();
    let ends = Arc::new(Mutex::new(Some((entered, held))));
    let slow = get(move || async move {
        let (entered, held) = ends.lock().unwrap().take().unwrap();
        entered.send(()).unwrap();
        held.await.unwrap();
        "done"
    });
    let running = Running::with(Router::new().route("/slow", slow), Limits::default()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    begun.await.unwrap();

    running.context.lifecycle.stop();
    go_on.send(()).unwrap();

    assert!(rest_of(stream).await.ends_with("\r\n\r\ndone"));
    let address = running.address.clone();
    running.ends().await;
    assert!(TcpStream::connect((address.host.as_str(), address.port)).await.is_err());
}

#[tokio::test]
async fn half_a_head_holds_neither_the_drain_nor_the_server() {
    let running = Running::with(Router::new(), Limits { head: DEADLINE * 10, ..Limits::default() }).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /livez HT").await.unwrap();

    running.context.lifecycle.stop();
    running.ends().await;
}

#[tokio::test]
async fn request_that_never_ends_is_cut_off_by_the_hard_stop() {
    let forever = get(std::future::pending::<&'static str>);
    let running = Running::with(Router::new().route("/forever", forever), Limits::default()).await;
    let mut stream = running.connect().await;
    stream.write_all(b"GET /forever HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();

    running.context.lifecycle.abort();
    running.ends().await;
}

#[tokio::test]
async fn serve_with_default_limits_ends_at_the_stop() {
    let lifecycle = Lifecycle::new();
    let listener = bind(&Listen::loopback(0)).await.unwrap();
    lifecycle.stop();
    tokio::time::timeout(DEADLINE, serve(listener, Router::new(), lifecycle)).await.unwrap();
}
