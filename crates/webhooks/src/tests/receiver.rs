//! A receiver on loopback: remembers what it gets, and answers as the test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A message that arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) headers: HeaderMap,
    pub(super) raw: Bytes,
    pub(super) body: Value,
    /// Whether the receiver answered with a success.
    pub(super) is_accepted: bool,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> String {
        self.headers.get(name).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    pub(super) fn id(&self) -> String {
        self.header("webhook-id")
    }

    pub(super) fn sequence(&self) -> u64 {
        self.body["data"]["sequence"].as_u64().unwrap_or(0)
    }

    pub(super) fn session(&self) -> String {
        self.body["data"]["session_id"].to_string()
    }

    pub(super) fn kind(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }
}

/// The answer to a message; the number of attempts with its id, this one included, is the second argument.
type Answer = dyn Fn(&Received, usize) -> Response + Send + Sync;

struct Behaviour {
    received: Mutex<Vec<Received>>,
    /// The attempts of each message.
    attempts: Mutex<BTreeMap<String, usize>>,
    answer: Mutex<Box<Answer>>,
}

/// A receiver.
pub(super) struct Receiver {
    behaviour: Arc<Behaviour>,
    address: std::net::SocketAddr,
    serving: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A success.
pub(super) fn accepted() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// A refusal.
pub(super) fn refused() -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

impl Receiver {
    /// A receiver that accepts everything.
    pub(super) async fn accepting() -> Self {
        Self::answering(|_, _| accepted()).await
    }

    pub(super) async fn answering(answer: impl Fn(&Received, usize) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let behaviour = Arc::new(Behaviour {
            received: Mutex::default(),
            attempts: Mutex::default(),
            answer: Mutex::new(Box::new(answer)),
        });
        let routes = Router::new().fallback(receive).with_state(Arc::clone(&behaviour));
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { behaviour, address, serving }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers like this from now on.
    pub(super) fn answer(&self, answer: impl Fn(&Received, usize) -> Response + Send + Sync + 'static) {
        *self.behaviour.answer.lock().unwrap() = Box::new(answer);
    }

    /// Everything that arrived, in its order.
    pub(super) fn received(&self) -> Vec<Received> {
        self.behaviour.received.lock().unwrap().clone()
    }

    /// The number of messages that were accepted, repeated ones included.
    pub(super) fn accepted(&self) -> usize {
        self.behaviour.received.lock().unwrap().iter().filter(|one| one.is_accepted).count()
    }
}

async fn receive(State(behaviour): State<Arc<Behaviour>>, headers: HeaderMap, raw: Bytes) -> Response {
    let body = serde_json::from_slice(&raw).unwrap();
    let mut message = Received { headers, raw, body, is_accepted: false };
    let mut received = behaviour.received.lock().unwrap();
    let attempts = {
        let mut attempts = behaviour.attempts.lock().unwrap();
        let of_message = attempts.entry(message.id()).or_default();
        *of_message += 1;
        *of_message
    };
    let response = (behaviour.answer.lock().unwrap())(&message, attempts);
    message.is_accepted = response.status().is_success();
    received.push(message);
    response
}
