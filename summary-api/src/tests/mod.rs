//! Claims about the HTTP side, over a real ledger and without a network: requests go straight into the router.

mod accounts;
mod changes;
mod description;
mod graphql;
mod guarded;
mod internal;
mod lists;
mod live;
mod logins;
mod looking_up;
mod masks;
mod matrix;
mod numbers;
mod pages;
mod problems;
mod recorder;
mod reference;
mod searching;
mod statistics;
mod stories;
mod summaries;
mod webhooks;

use access::{Access, Tokens};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, header};
use ledger_stores::testing::temporary;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sessions::testing::Fixture;
use settings::Redacted;
use tower::ServiceExt as _;

use web_api::Authenticator;

/// The secret of [`with_secret`].
const SECRET: &str = "0123456789abcdef";

/// The authenticator of an address on loopback, with a secret for correlators.
fn with_secret() -> Authenticator {
    Authenticator::new(Access::Local, Some(&Redacted::secret(SECRET)), Tokens::default())
}

/// A complete response.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// The routes of a summary API on a ledger of its own.
struct Api {
    fixture: Fixture,
    router: Router,
}

impl Api {
    async fn new() -> Self {
        Self::with(&Authenticator::local()).await
    }

    async fn with(authenticator: &Authenticator) -> Self {
        Self::on(Fixture::new(temporary().await), authenticator)
    }

    /// An API with one lot, P3, in this time zone.
    async fn in_zone(time_zone: &str) -> Self {
        Self::on(Fixture::in_zone(temporary().await, time_zone), &Authenticator::local())
    }

    fn on(fixture: Fixture, authenticator: &Authenticator) -> Self {
        let router = web_api::router(&fixture.service, authenticator, &fixture.context);
        Self { fixture, router }
    }

    /// An API whose clock is two days after the times of most tests, when a stay of a day is over.
    async fn two_days_later() -> Self {
        let api = Self::new().await;
        api.fixture.clock.advance_millis(2 * 24 * 3_600_000);
        api
    }

    async fn get(&self, path: &str) -> Answer {
        send(&self.router, request(Method::GET, path, &[], "")).await
    }

    async fn post_json(&self, path: &str, json: impl Into<Body>) -> Answer {
        send(&self.router, request(Method::POST, path, &[("content-type", "application/json")], json)).await
    }

    async fn value(&self, path: &str) -> Value {
        self.get(path).await.json()
    }
}

fn request(method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(body.into()).unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}
