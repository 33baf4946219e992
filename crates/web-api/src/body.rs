//! Reading a request: its trace context and its body, with content type, encoding, size limit and deadline.

use std::error::Error as StdError;

use api::parameters::Parameters;
use api::{Kind, Problem};
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use futures::StreamExt as _;
use parking::wire::without_byte_order_mark;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use service_kit::traces::{TRACEPARENT, TraceContext};

/// The largest small body, bytes.
pub(super) const SMALL_BYTES_MAX: usize = 16 * 1024;
/// A body beyond its limit is read and discarded up to this size: a client that is still sending would otherwise see a
/// broken connection instead of the response.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The largest body of parameters.
pub(super) const PARAMETERS_BYTES_MAX: usize = 64 * 1024;

/// The trace context of the caller, if the request has one.
pub(super) fn caller(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::parse(headers.get(TRACEPARENT)?.to_str().ok()?)
}

/// The content type without its parameters, in lower case; empty when there is none.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Describes the content type for the detail of a problem.
pub(super) fn described(media_type: &str) -> String {
    if media_type.is_empty() {
        "the request has no Content-Type".to_owned()
    } else {
        format!("the Content-Type is {}", api::parameters::quoted(media_type))
    }
}

/// Whether the content type is JSON, in any of its variants.
pub(super) fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Reads a small JSON body.
///
/// # Errors
/// The body is not JSON, or has other members. The error does not quote it, because it may contain a secret.
pub(super) async fn json<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    let (head, body) = request.into_parts();
    let json = json_of(&head.headers, body, SMALL_BYTES_MAX).await?;
    serde_json::from_slice(&json).map_err(|error| {
        let place = format!("at line {} column {}", error.line(), error.column());
        match error.classify() {
            Category::Data => Problem::new(
                Kind::InvalidContent,
                format!(
                    "a member of the body is missing, unknown or of another type, {place}; /openapi.json describes it"
                ),
            ),
            Category::Syntax | Category::Eof | Category::Io => {
                Problem::new(Kind::Malformed, format!("the body is not JSON: a syntax error {place}"))
            }
        }
    })
}

/// Reads the parameters in a JSON body.
///
/// # Errors
/// The body is not JSON, is too large, or has a wrong value.
pub(super) async fn parameters<T: Parameters>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    T::read_object(without_byte_order_mark(&json_of(headers, body, PARAMETERS_BYTES_MAX).await?))
}

/// Reads a body of at most `limit` bytes that has the media type of JSON.
///
/// # Errors
/// The body has another type, is encoded, is larger, or does not arrive.
pub(super) async fn json_of(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    let media_type = media_type(headers);
    if !is_json(&media_type) {
        let described = described(&media_type);
        let problem =
            format!("{described}, but the body has to be JSON: send the header Content-Type: application/json");
        return Err(Problem::new(Kind::UnsupportedMediaType, problem));
    }
    read(headers, body, limit).await
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// The body is encoded, is larger, or does not arrive.
pub(super) async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Problem> {
    read_keeping(headers, body, limit, |_| Ok(())).await
}

/// Like [`read`], but calls `keep` with the size of each part before it stores that part in memory.
///
/// # Errors
/// The body is encoded, is larger, does not arrive, or `keep` refuses a part.
pub(super) async fn read_keeping(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    mut keep: impl FnMut(usize) -> Result<(), Problem>,
) -> Result<Bytes, Problem> {
    not_encoded(headers)?;
    let mut frames = body.into_data_stream();
    let mut whole: Vec<u8> = Vec::new();
    let mut size: usize = 0;
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| not_whole(&error))?;
        size = size.saturating_add(frame.len());
        if size <= limit {
            keep(frame.len())?;
            whole.extend_from_slice(&frame);
        } else if size > limit.saturating_add(DISCARDED_BYTES_MAX) {
            break;
        } else {
            whole = Vec::new();
        }
    }
    if size > limit {
        return Err(Problem::new(
            Kind::TooLarge,
            format!("the body is larger than {limit} bytes, the limit of this route"),
        ));
    }
    Ok(whole.into())
}

/// Refuses a body that is compressed or otherwise encoded: the routes would parse its encoded bytes.
fn not_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    let values = headers.get_all(header::CONTENT_ENCODING).iter();
    let encodings = values.flat_map(|value| value.to_str().unwrap_or("?").split(',')).map(str::trim);
    for encoding in encodings {
        if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
            let encoding = api::parameters::quoted(encoding);
            let problem = format!("the body is encoded as {encoding}; send it without Content-Encoding");
            return Err(Problem::new(Kind::UnsupportedEncoding, problem));
        }
    }
    Ok(())
}

/// The problem of a body that did not arrive. An error without a hyper error as its cause is the server's deadline; all
/// others come from the connection.
fn not_whole(error: &axum::Error) -> Problem {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause.filter(|error| !error.is::<hyper::Error>()) {
        cause = error.source();
    }
    if cause.is_some() {
        Problem::new(Kind::Malformed, "the body was cut off or has invalid HTTP/1.1 framing")
    } else {
        Problem::new(Kind::TooSlow, "the body did not arrive completely before the deadline")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn a_body_larger_than_its_limit_is_refused() {
        let read = async |size: usize| {
            read(&HeaderMap::new(), Body::from(vec![b'x'; size]), 1_000).await.map(|body| body.len())
        };
        assert_eq!([read(0).await, read(1_000).await], [Ok(0), Ok(1_000)]);
        for size in [1_001, 1_000_000, 100_000_000] {
            assert_eq!(read(size).await.unwrap_err().status(), 413);
        }
    }

    #[tokio::test]
    async fn a_body_that_misses_the_servers_deadline_is_too_slow() {
        let given_up = futures::stream::iter([Ok("{"), Err("the request body did not arrive within 15 s")]);
        let read = read(&HeaderMap::new(), Body::from_stream(given_up), 1_000).await;
        assert_eq!(read.unwrap_err().status(), 408);
    }

    #[tokio::test]
    async fn a_body_with_any_encoding_but_identity_is_refused_as_such() {
        let status = async |encodings: &[&'static str]| {
            let named = encodings.iter().map(|value| (header::CONTENT_ENCODING, HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            for (name, value) in named {
                headers.append(name, value);
            }
            read(&headers, Body::from("{}"), 1_000).await.map_err(|problem| problem.status().as_u16())
        };
        for encodings in [&["gzip"][..], &["GZIP"], &["br"], &["zstd"], &["identity, gzip"], &["identity", "deflate"]] {
            assert_eq!(status(encodings).await, Err(415), "{encodings:?}");
        }
        for encodings in [&[][..], &[""], &["identity"], &["Identity, identity"]] {
            assert_eq!(status(encodings).await.unwrap(), "{}", "{encodings:?}");
        }
    }

    #[test]
    fn variants_of_json_are_json() {
        let is = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
            is_json(&media_type(&headers))
        };
        assert!(is("application/json") && is("Application/JSON; charset=utf-8") && is("application/merge+json"));
        assert!(!is("") && !is("text/json") && !is("application/x-www-form-urlencoded") && !is("application/jsonp"));
    }
}
