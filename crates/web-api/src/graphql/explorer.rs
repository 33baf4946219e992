//! The editor page for GraphQL requests. It works without JavaScript, and loads nothing from other servers.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use service_kit::http::CONTENT_SECURITY_POLICY;

const PAGE: &str = include_str!("assets/explorer.html");
const STYLE: &str = include_str!("assets/explorer.css");
const SCRIPT: &str = include_str!("assets/explorer.js");

pub(super) fn page() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

pub(super) async fn style() -> Response {
    std::future::ready(file("text/css; charset=utf-8", STYLE)).await
}

pub(super) async fn script() -> Response {
    std::future::ready(file("text/javascript; charset=utf-8", SCRIPT)).await
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, text).into_response()
}
