//! Claims about clients that are slow, greedy or many.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::routing::post;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::*;

/// The time in which health and metrics have to answer under any load.
const HEALTH_ANSWER_MAX: Duration = Duration::from_secs(1);
/// A short limit.
const SHORT_LIMIT: Duration = Duration::from_millis(50);
/// More half-sent heads than there are connections.
const HALF_HEADS: usize = 1_100;

const HALF_A_HEAD: &str = "GET /livez HTTP/1.1\r\nHost: loc";
const HALF_A_BODY: &str = "POST /swallow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf";
const FOREVER: &str = "GET /forever HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST_LIVEZ: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

fn routes() -> Router {
    answering(&Arc::default())
}

/// Routes; `/forever` reports when a request is being answered.
fn answering(begun: &Arc<Notify>) -> Router {
    let begun = Arc::clone(begun);
    let forever = get(move || {
        begun.notify_one();
        std::future::pending::<&'static str>()
    });
    let swallow = post(|body: Bytes| async move { body.len().to_string() });
    Router::new().route("/swallow", swallow).route("/forever", forever)
}

impl Running {
    async fn sends(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Waits until the metrics, fetched over a separate connection, contain this line.
    async fn shows(&self, line: &str) {
        let shown = async {
            while !self.get("/metrics").await.1.lines().any(|have| have == line) {
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, shown).await.unwrap_or_else(|_| panic!("{line} is never shown"));
    }

    async fn answers_promptly(&self) {
        for path in ["/livez", "/metrics", "/readyz"] {
            let (status, _) =
                timeout(HEALTH_ANSWER_MAX, self.get(path)).await.unwrap_or_else(|_| panic!("{path} is slow"));
            assert_eq!(status, 200, "{path}");
        }
    }
}

/// Reads the first line of an answer.
async fn status_line(stream: &mut TcpStream) -> String {
    let mut line = String::new();
    while !line.ends_with("\r\n") {
        line.push(timeout(DEADLINE, stream.read_u8()).await.expect("an answer").unwrap().into());
    }
    line
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(timeout(DEADLINE, stream.read_u8()).await, Ok(Err(_)))
}

#[tokio::test]
async fn half_sent_heads_keep_nobody_from_health_and_metrics() {
    let running = Running::with(Router::new(), Limits::default()).await;
    let mut slow = Vec::new();
    for _ in 0..HALF_HEADS {
        slow.push(running.sends(HALF_A_HEAD).await);
    }

    running.answers_promptly().await;

    let open = running.get("/metrics").await.1;
    let count = |name: &str| open.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok()).unwrap();
    assert!(count("dwell_http_connections ") <= Limits::default().unfinished_per_address + 5, "{open}");
}

#[tokio::test]
async fn half_sent_heads_of_many_addresses_keep_nobody_from_health_and_metrics() {
    // No address exceeds its share, so all connections are used.
    let limits = Limits { connections: 8, reserved: 2, unfinished_per_address: 100, ..Limits::default() };
    let running = Running::with(Router::new(), limits).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        slow.push(running.sends(HALF_A_HEAD).await);
    }

    running.answers_promptly().await;
}

#[tokio::test]
async fn clients_that_pipeline_and_read_nothing_keep_nobody_from_health_and_metrics() {
    // More answers than the sockets of both sides hold: the server has to wait for the client.
    let requests = "GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(20);
    let long = get(|| async { vec![b'x'; 1 << 20] });
    let limits = Limits { connections: 8, reserved: 2, ..Limits::default() };
    let running = Running::with(Router::new().route("/long", long), limits).await;
    let mut deaf = Vec::new();
    for _ in 0..50 {
        deaf.push(running.sends(&requests).await);
    }

    running.answers_promptly().await;
}

#[tokio::test]
async fn requests_being_answered_leave_connections_for_health_and_metrics() {
    let limits = Limits { connections: 4, reserved: 2, ..Limits::default() };
    let begun = Arc::default();
    let running = Running::with(answering(&begun), limits).await;
    let mut answering = Vec::new();
    for _ in 0..limits.connections - limits.reserved {
        answering.push(running.sends(FOREVER).await);
        begun.notified().await;
    }

    let refused = rest_of(running.sends(FOREVER).await).await;

    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    assert!(refused.contains("retry-after: 1\r\n") && refused.contains("2 requests are being answered"), "{refused}");
    running.answers_promptly().await;
}

#[tokio::test]
async fn connection_above_the_limit_takes_the_place_of_an_idle_one() {
    let running = Running::with(Router::new(), Limits { connections: 1, reserved: 0, ..Limits::default() }).await;
    let mut first = running.sends(LIVEZ).await;
    assert_eq!(status_line(&mut first).await, "HTTP/1.1 200 OK\r\n");

    let mut second = running.sends(LIVEZ).await;

    assert_eq!(status_line(&mut second).await, "HTTP/1.1 200 OK\r\n");
    assert!(rest_of(first).await.ends_with("ok\n"));
}

#[tokio::test]
async fn connection_above_the_limit_waits_while_all_others_are_being_answered() {
    let begun = Arc::default();
    let limits = Limits { connections: 1, reserved: 0, ..Limits::default() };
    let running = Running::with(answering(&begun), limits).await;
    let first = running.sends(FOREVER).await;
    begun.notified().await;
    let mut second = running.sends(LIVEZ).await;
    let early = timeout(SHORT_LIMIT, second.read_u8()).await;

    drop(first);

    assert!(early.is_err(), "the second connection was served beside the first");
    assert_eq!(status_line(&mut second).await, "HTTP/1.1 200 OK\r\n");
}

#[tokio::test]
async fn many_connections_at_once_are_all_served_when_their_heads_are_whole() {
    let limits = Limits { unfinished_per_address: 2, connections: 4, reserved: 1, ..Limits::default() };
    let running = Running::with(Router::new(), limits).await;
    let all = futures::future::join_all((0..100).map(|_| running.sends(LAST_LIVEZ))).await;

    for stream in all {
        assert!(rest_of(stream).await.ends_with("ok\n"));
    }
}

#[tokio::test]
async fn an_address_beyond_its_share_of_unfinished_requests_loses_the_oldest() {
    let running = Running::with(routes(), Limits { unfinished_per_address: 2, ..Limits::default() }).await;
    let mut body = running.sends(HALF_A_BODY).await;
    running.shows("dwell_http_connections 2").await;
    let mut head = running.sends(HALF_A_HEAD).await;

    // A connection is an unfinished head from its opening on.
    running.shows("dwell_http_connections_closed_early_total{state=\"unfinished\"} 1").await;

    assert!(is_closed(&mut body).await);
    head.write_all(b"alhost\r\n\r\n").await.unwrap();
    assert_eq!(status_line(&mut head).await, "HTTP/1.1 200 OK\r\n");
}

#[tokio::test]
async fn idle_connections_and_requests_being_answered_are_no_part_of_the_share() {
    let begun = Arc::default();
    let limits = Limits { unfinished_per_address: 1, ..Limits::default() };
    let running = Running::with(answering(&begun), limits).await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        let mut stream = running.sends(LIVEZ).await;
        assert_eq!(status_line(&mut stream).await, "HTTP/1.1 200 OK\r\n");
        idle.push(stream);
    }
    let mut answering = running.sends(FOREVER).await;
    begun.notified().await;
    running.shows("dwell_http_connections_closed_early_total{state=\"unfinished\"} 0").await;

    assert!(timeout(SHORT_LIMIT, answering.read_u8()).await.is_err());
    for mut stream in idle {
        stream.write_all(LAST_LIVEZ.as_bytes()).await.unwrap();
        assert_eq!(rest_of(stream).await.matches("ok\n").count(), 2);
    }
}

#[tokio::test]
async fn slow_head_is_cut_off_also_when_it_trickles_and_an_idle_connection_is_not() {
    let running = Running::with(Router::new(), Limits { head: SHORT_LIMIT, ..Limits::default() }).await;
    let half = running.sends(HALF_A_HEAD).await;
    let mut idle = running.sends(LIVEZ).await;
    let mut trickling = running.sends("GET /livez HTTP/1.1\r\nX: ").await;

    let cut_off = async {
        while trickling.write_all(b"x").await.is_ok() && timeout(SHORT_LIMIT / 10, trickling.read_u8()).await.is_err() {
        }
    };

    timeout(DEADLINE, cut_off).await.expect("a trickling head is cut off");
    assert_eq!(rest_of(half).await, "");
    assert_eq!(status_line(&mut idle).await, "HTTP/1.1 200 OK\r\n");
    idle.write_all(LAST_LIVEZ.as_bytes()).await.unwrap();
    assert_eq!(rest_of(idle).await.matches("ok\n").count(), 2);
}

#[tokio::test]
async fn a_second_head_on_a_connection_has_the_same_deadline() {
    let running = Running::with(Router::new(), Limits { head: SHORT_LIMIT, ..Limits::default() }).await;
    let mut stream = running.sends(LIVEZ).await;
    assert_eq!(status_line(&mut stream).await, "HTTP/1.1 200 OK\r\n");
    let mut rest = [0; 64];
    while !rest.ends_with(b"ok\n") {
        rest.rotate_left(1);
        rest[63] = stream.read_u8().await.unwrap();
    }

    stream.write_all(HALF_A_HEAD.as_bytes()).await.unwrap();

    assert_eq!(rest_of(stream).await, "");
}

#[tokio::test]
async fn idle_connection_is_closed_in_the_end() {
    let running = Running::with(Router::new(), Limits { idle: SHORT_LIMIT, ..Limits::default() }).await;
    let stream = running.sends(LIVEZ).await;
    assert!(rest_of(stream).await.ends_with("ok\n"));
}

#[tokio::test]
async fn slow_body_is_refused_also_when_it_trickles() {
    let running = Running::with(routes(), Limits { body: SHORT_LIMIT, ..Limits::default() }).await;
    let half = running.sends(HALF_A_BODY).await;
    let mut trickling =
        running.sends("POST /swallow HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n").await;

    let refused = async {
        loop {
            trickling.write_all(b"1\r\nx\r\n").await.unwrap();
            if timeout(SHORT_LIMIT / 10, trickling.readable()).await.is_ok() {
                return status_line(&mut trickling).await;
            }
        }
    };

    assert_eq!(timeout(DEADLINE, refused).await.unwrap(), "HTTP/1.1 400 Bad Request\r\n");
    assert!(rest_of(half).await.starts_with("HTTP/1.1 400 Bad Request\r\n"));
}

#[tokio::test]
async fn client_that_takes_nothing_of_its_answer_is_cut_off() {
    let endless = get(|| async {
        let frames = std::iter::repeat_with(|| Ok::<_, Infallible>(vec![b'x'; 64 * 1024]));
        Body::from_stream(futures::stream::iter(frames))
    });
    let limits = Limits { answer: SHORT_LIMIT, ..Limits::default() };
    let running = Running::with(Router::new().route("/endless", endless), limits).await;
    let _stream = running.sends("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n").await;

    running.shows("dwell_http_connections 1").await;
}
