//! Entity tags: each JSON response to a GET below `/api/v1`, and the list of tokens for gateways, carries a hash of its
//! bytes; a client that sends that hash in `If-None-Match` gets 304.
//!
//! This saves the transfer, not the read of the ledger: a list does not know in advance which sessions its response
//! depends on. Streams have no tag.

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use xxhash_rust::xxh3::xxh3_128;

/// The largest response that gets a tag; a page of the longest sessions is far smaller.
const TAGGED_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The path of the list of tokens.
const TOKENS: &str = "/internal/v1/tokens";
/// The type of the list of tokens: that of a tokens file.
pub const TOKENS_MEDIA_TYPE: &str = "application/toml";

/// A request whose response gets a tag.
#[derive(Debug)]
pub struct Tagged {
    /// The values of its `If-None-Match`.
    known: Vec<HeaderValue>,
}

impl Tagged {
    /// The request, if its response gets a tag: a GET below `/api/v1`, or of the tokens.
    pub fn of(request: &Request) -> Option<Self> {
        let path = request.uri().path();
        let is_tagged = request.method() == Method::GET && (path.starts_with("/api/v1/") || path == TOKENS);
        let known = || request.headers().get_all(header::IF_NONE_MATCH).iter().cloned().collect();
        is_tagged.then(|| Self { known: known() })
    }

    /// Adds the tag to the response, or answers 304 if the client has this response.
    pub async fn tag(self, response: Response) -> Response {
        if response.status() != StatusCode::OK || !has_tag(response.headers()) {
            return response;
        }
        let (mut head, body) = response.into_parts();
        let size = body.size_hint().exact().filter(|size| *size <= TAGGED_BYTES_MAX);
        let Some(size) = size else { return Response::from_parts(head, body) };
        let limit = usize::try_from(size).unwrap_or(usize::MAX);
        let body = axum::body::to_bytes(body, limit).await.unwrap_or_else(|_| Bytes::new());
        let tag = format!("\"{:032x}\"", xxh3_128(&body));
        let has_it = self.known.iter().any(|value| names(value, &tag));
        if let Ok(value) = HeaderValue::from_str(&tag) {
            head.headers.insert(header::ETAG, value);
            // Only the client may cache it, and has to revalidate it each time.
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

fn has_tag(headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE);
    media_type.is_some_and(|value| value == "application/json" || value == TOKENS_MEDIA_TYPE)
}

/// Whether a value of `If-None-Match` contains the tag. A proxy that compresses the response makes the tag weak.
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
