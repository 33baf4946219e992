//! Entity tags: a JSON answer to a GET carries a hash of its bytes, and whoever has the same bytes already gets 304.
//!
//! One rule for every route below `/api/v1`, now and later. It saves sending and reading, not asking the ledger: what an
//! answer depends on is known to no list beforehand. Streams are left alone.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use xxhash_rust::xxh3::xxh3_128;

/// The largest answer that is tagged: a page of the longest sessions is far below it.
const LARGEST_BYTES: u64 = 16 * 1024 * 1024;

/// A request whose answer is tagged.
#[derive(Debug)]
pub struct Tagged {
    /// The values of its `If-None-Match`.
    known: Vec<HeaderValue>,
}

impl Tagged {
    /// The request, if its answer is to be tagged.
    pub fn of(request: &Request) -> Option<Self> {
        let is_tagged = request.method() == Method::GET && request.uri().path().starts_with("/api/v1/");
        let known = || request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
        is_tagged.then(|| Self { known: known() })
    }

    /// Tags the answer, or leaves it out when the client has it.
    pub async fn tag(self, response: Response) -> Response {
        if response.status() != StatusCode::OK || !is_json(response.headers()) {
            return response;
        }
        let (mut head, body) = response.into_parts();
        let size = body.size_hint().exact().filter(|size| *size <= LARGEST_BYTES);
        let Some(size) = size else { return Response::from_parts(head, body) };
        let limit = usize::try_from(size).unwrap_or(usize::MAX);
        let body = axum::body::to_bytes(body, limit).await.unwrap_or_else(|_| Bytes::new());
        let tag = format!("\"{:032x}\"", xxh3_128(&body));
        let has_it = self.known.iter().any(|value| names(value, &tag));
        if let Ok(value) = HeaderValue::from_str(&tag) {
            head.headers.insert(header::ETAG, value);
            // It may be kept by the client alone, and has to be asked about each time.
            head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        }
        if !has_it {
            return Response::from_parts(head, Body::from(body));
        }
        head.status = StatusCode::NOT_MODIFIED;
        head.headers.remove(header::CONTENT_TYPE);
        head.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(head, Body::empty())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value == "application/json")
}

/// Whether a value of `If-None-Match` has the tag. A proxy that repacks the answer makes the tag a weak one.
fn names(value: &HeaderValue, tag: &str) -> bool {
    let listed = value.to_str().unwrap_or_default().split(',').map(str::trim);
    listed.into_iter().any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_found_in_a_list_weak_or_strong() {
        let has = |value: &'static str| names(&HeaderValue::from_static(value), "\"1f\"");
        assert!(has("\"1f\"") && has("W/\"1f\"") && has("\"0\", \"1f\"") && has("*"));
        assert!(!has("") && !has("1f") && !has("\"1f") && !has("\"0\", \"2\""));
    }
}
