//! `RabbitMQ`'s management API, for what AMQP does not report.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// The timeout of one answer.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// A client of the management API of one node.
#[derive(Debug, Clone)]
pub struct Management {
    url: String,
}

impl Management {
    /// `url` is `http://USER:PASSWORD@HOST:PORT`.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    /// Gets a path below `/api/`, such as `queues/VHOST/NAME`. `None` if it does not exist.
    pub async fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        self.call(Method::GET, path, None).await
    }

    /// Creates or changes the object of a path below `/api/`.
    pub async fn put(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.call(Method::PUT, path, Some(body.to_string())).await.map(drop)
    }

    /// Posts to a path below `/api/`, such as `queues/VHOST/NAME/get`. `None` if it does not exist.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Option<Value>> {
        self.call(Method::POST, path, Some(body.to_string())).await
    }

    /// Publishes to a queue of the virtual host in `amqp_url`. The headers are JSON text, so they may be nested deeper than an
    /// AMQP client can build them.
    pub async fn publish(&self, amqp_url: &str, queue: &str, payload: &str, headers: &str) -> anyhow::Result<()> {
        let path = format!("exchanges/{}/amq.default/publish", virtual_host(amqp_url));
        let (queue, payload) = (Value::from(queue), Value::from(payload));
        let body = format!(
            r#"{{"routing_key":{queue},"payload":{payload},"payload_encoding":"string",
                "properties":{{"delivery_mode":2,"headers":{headers}}}}}"#
        );
        let answer = self.call(Method::POST, &path, Some(body)).await?;
        ensure!(answer.is_some_and(|answer| answer["routed"] == true), "the message reached no queue {queue}");
        Ok(())
    }

    /// Deletes the object of a path below `/api/`, if it exists.
    pub async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.call(Method::DELETE, path, None).await.map(drop)
    }

    /// The number of messages in a queue, ready and unacknowledged, up to half a second old. `None` if there is no
    /// such queue, or no statistics of it yet. `amqp_url` contains the virtual host.
    pub async fn queue_depth(&self, amqp_url: &str, queue: &str) -> anyhow::Result<Option<u64>> {
        let found = self.get(&format!("queues/{}/{queue}", virtual_host(amqp_url))).await?;
        Ok(found.and_then(|queue| queue["messages"].as_u64()))
    }

    /// Closes all connections of the virtual host of `amqp_url` from the server's side, and returns their number.
    ///
    /// A connection is visible here only some hundred milliseconds after it was opened.
    pub async fn close_connections(&self, amqp_url: &str) -> anyhow::Result<usize> {
        let found = self.get(&format!("vhosts/{}/connections", virtual_host(amqp_url))).await?.unwrap_or_default();
        let names: Vec<&str> = found.as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
        for name in &names {
            self.delete(&format!("connections/{}", name.replace(' ', "%20").replace('>', "%3E"))).await?;
        }
        Ok(names.len())
    }

    /// Waits until the API answers.
    pub(super) async fn is_up(&self, deadline: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while let Err(error) = self.get("overview").await {
            if start.elapsed() > deadline {
                return Err(error.context(format!("RabbitMQ's management API is not up after {deadline:?}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: Option<String>) -> anyhow::Result<Option<Value>> {
        let call = format!("{method} /api/{path}");
        // Without a pool: a pooled connection would belong to the runtime of a test that may have ended.
        let client = crate::http::builder().no_proxy().pool_max_idle_per_host(0).timeout(REQUEST_DEADLINE).build()?;
        let mut request = client.request(method, format!("{}/api/{path}", self.url));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.with_context(|| format!("RabbitMQ does not answer {call}"))?;
        let status = response.status();
        let text = response.text().await.with_context(|| format!("RabbitMQ's answer to {call} broke off"))?;
        if status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            bail!("RabbitMQ answers {call} with {status}: {text}");
        }
        if text.is_empty() {
            return Ok(Some(Value::Null));
        }
        serde_json::from_str(&text).map(Some).with_context(|| format!("RabbitMQ's answer to {call} is no JSON: {text}"))
    }
}

/// The virtual host of an AMQP URL, encoded for a path of the API.
fn virtual_host(amqp_url: &str) -> &str {
    let rest = amqp_url.split_once("://").map_or(amqp_url, |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    rest.split_once('/').map_or("%2F", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amqp_url_says_its_virtual_host() {
        let hosts =
            ["amqp://guest:guest@127.0.0.1:5672", "amqp://127.0.0.1/%2f", "amqp://127.0.0.1/orders?heartbeat=5"]
                .map(virtual_host);

        assert_eq!(hosts, ["%2F", "%2f", "orders"]);
    }
}
