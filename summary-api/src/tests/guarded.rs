//! Claims about the API behind its listener: the requests that it refuses, and the bytes of its responses.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ledger_stores::testing::temporary;
use recorder::wire;
use service_kit::http::{self, Server};
use sessions::testing::Fixture;
use settings::{Listen, PublicHosts};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use web_api::app::{self, is_page, waiting};
use web_api::{Authenticator, QueryCache};

use super::{SECRET, with_secret};

const DEADLINE: Duration = Duration::from_secs(20);
const OWN: &str = "Host: parking.example";
const FOREIGN: &str = "Host: attacker.example";
const VISIT: &str = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document";

/// A summary API behind a listener, with a public host.
struct Served {
    address: std::net::SocketAddr,
    _fixture: Fixture,
}

impl Served {
    async fn with(authenticator: &Authenticator) -> Self {
        let fixture = Fixture::new(temporary().await);
        let (service, context) = (&fixture.service, &fixture.context);
        let listener = http::bind(&Listen::loopback(0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let ready = Arc::new(OnceLock::new());
        let answers = QueryCache::in_memory(service, context);
        let sender = webhooks::Sender::new(webhooks::PrivateAddresses::Refused, &context.connector);
        ready.get_or_init(|| app::open(service, authenticator, answers, sender, &serde_json::Value::Null, context));
        let guard =
            authenticator.guard(PublicHosts::parse(["parking.example"]).unwrap(), is_page, Arc::clone(&context.clock));
        let server = Server::new(guard).serve(listener, waiting(ready, context), context.lifecycle.clone());
        tokio::spawn(server);
        Self { address, _fixture: fixture }
    }

    /// The head of the response to a request; `line` is the request line without the version.
    async fn head(&self, line: &str, headers: &str, body: &str) -> String {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{line} HTTP/1.1\r\n{headers}\r\n{length}\r\n{body}").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
        };
        tokio::time::timeout(DEADLINE, read).await.unwrap_or_else(|_| panic!("{line} is not answered"));
        String::from_utf8(head).unwrap()
    }

    async fn status(&self, line: &str, headers: &str) -> u16 {
        self.head(line, headers, "").await.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

/// A request line for every route.
fn routes() -> Vec<String> {
    let described = web_api::openapi().paths.paths;
    let described = described.iter().flat_map(|(path, item)| {
        let methods = [("GET", &item.get), ("POST", &item.post), ("PUT", &item.put), ("DELETE", &item.delete)];
        methods.into_iter().filter(|(_, operation)| operation.is_some()).map(move |(method, _)| (method, path.as_str()))
    });
    let others = operator_page::ROUTES.into_iter().chain(["/graphql/explorer.js", "/api/docs/", "/login", "/nowhere"]);
    let all = described.chain(others.map(|path| ("GET", path)));
    let id = "0191c2f4-3cfa-8d2e-ab23-969652be6075";
    all.map(|(method, path)| {
        format!("{method} {}", path.replace("{id}", id).replace("{kind}", "internal").replace("{name}", "maria"))
    })
    .collect()
}

fn is_observability(line: &str) -> bool {
    ["GET /livez", "GET /readyz", "GET /metrics"].contains(&line)
}

#[tokio::test]
async fn every_route_but_health_and_metrics_refuses_a_foreign_host() {
    let api = Served::with(&Authenticator::local()).await;
    for line in routes() {
        let status = api.status(&line, FOREIGN).await;
        assert_eq!(status == 421, !is_observability(&line), "{line}: {status}");
        assert_eq!(api.status(&line, "X: y").await, 400, "{line} without a host");
    }
}

#[tokio::test]
async fn every_route_refuses_requests_of_other_sites() {
    let api = Served::with(&Authenticator::local()).await;
    for line in routes() {
        for header in [
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Site: same-site",
            "Origin: https://attacker.example",
            "Origin: null",
        ] {
            assert_eq!(api.status(&line, &format!("{OWN}\r\n{header}")).await, 403, "{line} {header}");
        }
        for header in ["X: y", "Sec-Fetch-Site: none", "Sec-Fetch-Site: same-origin\r\nOrigin: https://parking.example"]
        {
            let status = api.status(&line, &format!("{OWN}\r\n{header}")).await;
            assert!(![403, 421].contains(&status), "{line} {header}: {status}");
        }
    }
}

#[tokio::test]
async fn links_of_other_sites_lead_to_pages_and_not_to_the_api() {
    let api = Served::with(&Authenticator::local()).await;
    for line in routes() {
        let path = line.strip_prefix("GET ").unwrap_or("");
        let may = is_observability(&line)
            || (!["/header", "/notices"].contains(&path) && operator_page::ROUTES.contains(&path));
        let may = may || path.starts_with("/sessions/") || ["/api/docs/", "/login"].contains(&path);
        let status = api.status(&line, &format!("{OWN}\r\n{VISIT}")).await;
        assert_eq!(status != 403, may, "{line}: {status}");
    }
    assert_eq!(api.status("GET /graphql?query={status{settled}}", &format!("{OWN}\r\n{VISIT}")).await, 403);
}

#[tokio::test]
async fn a_valid_token_may_carry_any_host() {
    let api = Served::with(&with_secret()).await;
    let with = |token: &str| format!("{FOREIGN}\r\nAuthorization: Bearer {token}");
    let terms = format!("GET {}", wire::TERMS);
    assert_eq!(api.status(&terms, &with(SECRET)).await, 200);
    assert_eq!(api.status(&terms, &with("wrong")).await, 421);
    assert_eq!(api.status("GET /api/v1/sessions", &with(SECRET)).await, 421);
}

#[tokio::test]
async fn a_socket_opens_for_a_page_of_the_same_address_and_for_no_other() {
    let api = Served::with(&Authenticator::local()).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (host, origin, status) in [
        ("parking.example:443", "https://parking.example", 101),
        ("parking.example", "https://parking.example:443", 101),
        ("localhost:5000", "http://localhost:5000", 101),
        ("localhost:5000", "https://parking.example", 101),
        ("parking.example", "https://attacker.example", 403),
        ("localhost:5000", "http://localhost:8000", 403),
        ("attacker.example", "http://attacker.example", 421),
    ] {
        let headers = format!("Host: {host}\r\nOrigin: {origin}\r\n{upgrade}");
        assert_eq!(api.status("GET /api/v1/live", &headers).await, status, "{host} {origin}");
    }
    assert_eq!(api.status("GET /api/v1/live", &format!("{OWN}\r\n{upgrade}")).await, 101);
}

#[tokio::test]
async fn no_answer_lets_scripts_of_other_sites_read_it() {
    let api = Served::with(&Authenticator::local()).await;
    let preflights = routes().into_iter().map(|route| route.replace("GET ", "OPTIONS ").replace("POST ", "OPTIONS "));
    for route in routes().into_iter().chain(preflights) {
        for origin in ["https://parking.example", "https://attacker.example", "null"] {
            let asks = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type";
            let head = api.head(&route, &format!("{OWN}\r\nOrigin: {origin}\r\n{asks}"), "").await;
            assert!(!head.to_ascii_lowercase().contains("access-control-"), "{route} from {origin}: {head}");
        }
    }
}

#[tokio::test]
async fn head_of_a_stream_has_no_length_and_head_of_a_page_has_one() {
    let api = Served::with(&Authenticator::local()).await;
    for path in ["/api/v1/live/events", "/api/v1/sessions?format=csv", "/api/v1/sessions?format=ndjson"] {
        let head = api.head(&format!("HEAD {path}"), OWN, "").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("content-length"), "{path}: {head}");
    }
    for path in ["/", "/api/v1/sessions", "/openapi.json", "/livez"] {
        let head = api.head(&format!("HEAD {path}"), OWN, "").await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        assert!(length.is_some_and(|length| length > 0), "{path}: {head}");
    }
}

#[tokio::test]
async fn an_empty_last_event_id_counts_as_absent() {
    let api = Served::with(&Authenticator::local()).await;
    for value in ["", " "] {
        let headers = format!("{OWN}\r\nLast-Event-ID:{value}");
        assert_eq!(api.status("GET /api/v1/live/events", &headers).await, 200, "{value:?}");
    }
    assert_eq!(api.status("GET /api/v1/live/events", &format!("{OWN}\r\nLast-Event-ID: x")).await, 422);
}

#[tokio::test]
async fn an_encoded_body_is_an_unsupported_encoding_on_every_route_that_reads_one() {
    let api = Served::with(&Authenticator::local()).await;
    let internal = [wire::LOAD, wire::RECORD, wire::DUE, wire::REPORT].map(|path| (path, wire::MEDIA_TYPE));
    for (path, media_type) in
        internal.into_iter().chain(["/save_summary", "/graphql"].map(|path| (path, "application/json")))
    {
        for encoding in ["gzip", "br", "zstd", "x-unknown"] {
            let headers = format!("{OWN}\r\nContent-Type: {media_type}\r\nContent-Encoding: {encoding}");
            let head = api.head(&format!("POST {path}"), &headers, "\u{1f}nonsense").await;
            assert!(head.starts_with("HTTP/1.1 415 ") && head.contains("accept-encoding: identity"), "{path}: {head}");
        }
    }
}
