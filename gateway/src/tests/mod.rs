//! The routes on an embedded bus, and what the tests of all doors share.

mod canary;
mod doors;
pub(crate) mod matrix;
mod outages;
mod refusals;

use std::convert::Infallible;

use access::Access;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use bus::Queue;
use bus::embedded::{Embedded, Limits};
use bytes::Bytes;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::entrance::KnownTokens;
use super::*;

const GATES: &str = r#"
[[gates]]
id = "in-1"
lot = "P3"
direction = "entry"
format = "axis"

[[gates]]
id = "its-1"
lot = "P3"
direction = "entry"
format = "dahua-itsapi"
camera = "DEVICE1"
zone = "Asia/Bangkok"

[[gates]]
id = "its-2"
lot = "P3"
direction = "exit"
format = "dahua-itsapi"
camera = "DEVICE2"

[[filters]]
name = "own vehicles"
plate = "OWN*"
action = "drop"

[[filters]]
name = "merged lot"
lot = "P7"
action = "redirect"
to_lot = "P3"
"#;

/// A gateway on an embedded bus.
pub(crate) struct Site {
    routes: Router,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) context: ServiceContext,
    _folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self::behind(Access::Local, None)
    }

    pub(crate) fn behind(access: Access, tokens: Option<Arc<dyn KnownTokens>>) -> Self {
        let (folder, context) = (tempfile::tempdir().unwrap(), ServiceContext::for_testing());
        let bus: Arc<dyn Bus> = Arc::new(Embedded::open(folder.path(), Limits::default(), &context).unwrap());
        let entrance = Entrance::new(access, tokens, Arc::clone(&context.clock));
        let gates = Gates::parse(GATES).unwrap();
        let gateway = Gateway::new(gates, entrance, Arc::clone(&bus), &context).unwrap();
        let routes = routes_of(Arc::clone(&gateway)).fallback(not_found);
        Self { routes, gateway, bus, context, _folder: folder }
    }

    /// All messages of a queue.
    async fn messages(&self, queue: Queue) -> Vec<bus::Delivery> {
        let ready = usize::try_from(self.bus.depth(queue).await.unwrap().unwrap()).unwrap();
        let mut consumer = self.bus.consume(queue, u16::MAX).await.unwrap();
        let mut all = Vec::new();
        while all.len() < ready {
            all.extend(consumer.receive(ready).await.unwrap());
        }
        all
    }

    /// The ids of all events of a queue, in order.
    async fn ids(&self, queue: Queue) -> Vec<String> {
        let mut ids = Vec::new();
        for message in self.messages(queue).await {
            let elements = parking::wire::parse_message(&message.body).unwrap();
            ids.extend(elements.into_iter().map(|element| element.event.unwrap().event.key.id.to_string()));
        }
        ids
    }
}

fn routes_on(bus: Arc<dyn Bus>, context: &ServiceContext) -> Router {
    routes(Gates::parse(GATES).unwrap(), Entrance::local(Arc::clone(&context.clock)), bus, context)
        .unwrap()
        .fallback(not_found)
}

async fn post(routes: &Router, path: &str, content_type: &str, body: impl Into<Body>) -> Response {
    let request = Request::post(path).header(header::CONTENT_TYPE, content_type).body(body.into()).unwrap();
    routes.clone().oneshot(request).await.unwrap()
}

async fn json_of(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

pub(crate) fn id(number: usize) -> String {
    format!("9b810e76-6ec9-4286-a3ca-{number:012}")
}

fn event(number: usize) -> Value {
    let member = if number.is_multiple_of(2) { "entry_date_time" } else { "exit_date_time" };
    json!({"id": id(number), "vehicle_plate": format!("AB{number}"), member: "2024-09-24T09:00:00Z", "extra": true})
}

const EVENTS: &str = "/api/v1/events";

fn in_chunks(text: String, size: usize) -> Body {
    let bytes = Bytes::from(text);
    let chunks: Vec<_> = (0..bytes.len()).step_by(size).map(|at| bytes.slice(at..bytes.len().min(at + size))).collect();
    Body::from_stream(futures::stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)))
}
