//! The live feeds as clients see them, over real sockets.

use std::time::Duration;

use api::{ChangePage, ChangeView};
use axum::http::Method;
use futures::{SinkExt as _, StreamExt as _};
use service_kit::http;
use sessions::testing::{Vehicles, minute};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tower::ServiceExt as _;

use super::{Api, request, send};

const DEADLINE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Serves the API on a free port; returns its address.
async fn served(api: &Api) -> String {
    let listener = http::bind(&settings::Listen::loopback(0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(http::serve(listener, api.router.clone(), api.fixture.context.lifecycle.clone()));
    address
}

async fn socket(address: &str, query: &str) -> Socket {
    connect_async(format!("ws://{address}/api/v1/live{query}")).await.unwrap().0
}

async fn heard(socket: &mut Socket) -> Message {
    let heard = tokio::time::timeout(DEADLINE, socket.next()).await.expect("a message comes in time");
    heard.expect("the socket is open").unwrap()
}

async fn change(socket: &mut Socket) -> ChangeView {
    serde_json::from_str(heard(socket).await.to_text().unwrap()).unwrap()
}

/// A reader of server-sent events.
struct Events {
    answer: reqwest::Response,
    text: String,
}

impl Events {
    async fn open(address: &str, headers: &[(&str, &str)]) -> Self {
        let request = testbed::http().get(format!("http://{address}/api/v1/live/events"));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        let mut events = Self { answer, text: String::new() };
        assert!(events.next().await.unwrap().starts_with("retry: 1000\nid: "));
        events
    }

    async fn next(&mut self) -> Option<String> {
        while !self.text.contains("\n\n") {
            let chunk = tokio::time::timeout(DEADLINE, self.answer.chunk()).await.expect("an event comes in time");
            self.text.push_str(std::str::from_utf8(&chunk.unwrap()?).unwrap());
        }
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let event = event.to_owned();
        self.text = rest.to_owned();
        Some(event)
    }
}

#[tokio::test]
async fn both_feeds_send_what_changes_has() {
    let api = Api::new().await;
    let address = served(&api).await;
    let (mut socket, mut events) = (socket(&address, "").await, Events::open(&address, &[]).await);
    let mut vehicles = Vehicles::default();
    for unit in [vehicles.entry("P3", "ABC123", minute(0)), vehicles.exit("P3", "ABC123", minute(60))] {
        api.fixture.record(vec![unit]).await;
        let page: ChangePage = api.get("/api/v1/changes").await.json();
        let newest = page.changes.last().unwrap().clone();

        assert_eq!(change(&mut socket).await, newest);
        let event = events.next().await.unwrap();
        let data = event.strip_prefix(&format!("id: {}\ndata: ", newest.sequence)).unwrap();
        assert_eq!(serde_json::from_str::<ChangeView>(data).unwrap(), newest);
    }
}

#[tokio::test]
async fn a_client_that_reconnects_resumes_where_it_was() {
    let api = Api::new().await;
    let address = served(&api).await;
    let mut vehicles = Vehicles::default();
    for number in 0..5 {
        let unit = vehicles.entry("P3", &format!("CAR{number}"), minute(0));
        api.fixture.record(vec![unit]).await;
    }

    let mut socket = socket(&address, "?after=3").await;
    let mut events = Events::open(&address, &[("last-event-id", "4")]).await;

    assert_eq!([change(&mut socket).await.sequence, change(&mut socket).await.sequence], [4, 5]);
    assert!(events.next().await.unwrap().starts_with("id: 5\ndata: "));
}

#[tokio::test]
async fn a_slow_client_gets_the_reason_before_it_is_disconnected() {
    let api = Api::new().await;
    let address = served(&api).await;
    let (mut socket, mut events) = (socket(&address, "").await, Events::open(&address, &[]).await);
    let mut vehicles = Vehicles::default();
    api.fixture.record(vec![vehicles.entry("P4", "FIRST", minute(0))]).await;
    assert_eq!(change(&mut socket).await.sequence, 1);
    assert!(events.next().await.unwrap().starts_with("id: 1\n"));
    let units = (0..5_000).map(|number| vehicles.entry("P3", &format!("CAR{number}"), minute(0))).collect();
    api.fixture.record(units).await;

    let close = loop {
        if let Message::Close(close) = heard(&mut socket).await {
            break close.unwrap();
        }
    };
    let mut last = String::new();
    while let Some(event) = events.next().await {
        last = event;
    }

    assert_eq!(u16::from(close.code), 1013);
    assert!(close.reason.starts_with("lagged: "), "{}", close.reason);
    assert!(last.starts_with("event: lagged\ndata: lagged: "), "{last}");
    assert_eq!(api.fixture.metric("dwell_live_dropped_total"), Some(2));
}

#[tokio::test]
async fn a_shutdown_ends_the_feeds_with_the_reason() {
    let api = Api::new().await;
    let address = served(&api).await;
    let (mut socket, mut events) = (socket(&address, "").await, Events::open(&address, &[]).await);

    api.fixture.context.lifecycle.stop();

    let Message::Close(Some(close)) = heard(&mut socket).await else { panic!("a close was expected") };
    assert_eq!(u16::from(close.code), 1001);
    assert!(events.next().await.unwrap().starts_with("event: stopping\n"));
    assert_eq!(events.next().await, None);
    // The client answers the close frame when it reads on.
    socket.close(None).await.ok();
    assert!(api.fixture.context.lifecycle.finished(DEADLINE).await.is_ok());
}

#[tokio::test]
async fn a_client_that_disconnects_frees_its_slot() {
    let api = Api::new().await;
    let address = served(&api).await;
    let (mut socket, events) = (socket(&address, "").await, Events::open(&address, &[]).await);
    assert_eq!(api.fixture.metric("dwell_live_clients"), Some(2));

    socket.send(Message::Close(None)).await.unwrap();
    drop(events);

    let left = async {
        while api.fixture.metric("dwell_live_clients") != Some(0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, left).await.expect("both places are free again");
}

#[tokio::test]
async fn invalid_requests_for_a_feed_are_refused_with_a_reason() {
    let api = Api::new().await;
    let upgrade = [
        ("host", "parking.example"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    for (path, headers, status, part) in [
        ("/api/v1/live", vec![], 400, "server-sent events"),
        ("/api/v1/live?after=1", upgrade.to_vec(), 400, "websocket"),
        ("/api/v1/live/events?after=1", vec![], 422, "beyond the newest change, 0"),
        ("/api/v1/live/events", vec![("last-event-id", "seven")], 422, "Last-Event-ID"),
        ("/api/v1/live/events?lot=P3", vec![], 400, "unknown query parameter"),
        ("/api/v1/live/events?lot_id=a%20b", vec![], 422, "lot_id"),
    ] {
        let answer = send(&api.router, request(Method::GET, path, &headers, "")).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.text().to_lowercase().contains(&part.to_lowercase()), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_page_of_another_site_may_not_open_a_socket() {
    let api = Api::new().await;
    let address = served(&api).await;
    let from = async |origin: String| {
        let url = format!("ws://{address}/api/v1/live");
        let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url).unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        connect_async(request).await.map(|(_, answer)| answer.status().as_u16()).map_err(|error| error.to_string())
    };
    assert_eq!(from(format!("http://{address}")).await, Ok(101));
    assert!(from("http://evil.example".to_owned()).await.unwrap_err().contains("403"));
}

#[tokio::test]
async fn a_feed_is_neither_cached_nor_tagged() {
    let api = Api::new().await;
    let answer = api.router.clone().oneshot(request(Method::GET, "/api/v1/live/events", &[], "")).await.unwrap();
    let headers = answer.headers();
    assert_eq!((&headers["cache-control"], headers.get("etag")), (&"no-cache".parse().unwrap(), None));
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_and_counted() {
    let api = Api::new().await;
    let mut vehicles = Vehicles::default();
    let units = (0..8_000).map(|number| vehicles.entry("P3", &format!("CAR{number}"), minute(0))).collect();
    api.fixture.record(units).await;
    let address = served(&api).await;
    // The socket buffers hold little of the messages.
    let little = tokio::net::TcpSocket::new_v4().unwrap();
    little.set_recv_buffer_size(4_096).unwrap();
    let stream = little.connect(address.parse().unwrap()).await.unwrap();
    let url = format!("ws://{address}/api/v1/live?after=0");
    let _silent = tokio_tungstenite::client_async(url, stream).await.unwrap();

    let is_cut = async || api.fixture.metric("dwell_live_dropped_total") == Some(1);
    testbed::wait_until(DEADLINE, "the client to be cut off", is_cut).await;
    let is_gone = async || api.fixture.metric("dwell_live_clients") == Some(0);
    testbed::wait_until(DEADLINE, "its place to be free", is_gone).await;
}
