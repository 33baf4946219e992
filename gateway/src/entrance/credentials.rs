//! The token that a request has: in `Authorization` as `Bearer` or as the password of `Basic`, or as a segment of the
//! path of a camera's route, for cameras that can send nothing else.
//!
//! A segment counts if it follows the gate and begins like a token. A camera may append a path of its own behind it. No
//! log, metric, trace or answer has the segment: what is shown of an address goes through [`hidden`].

use std::borrow::Cow;

use access::{Secret, Token};
use axum::http::header;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

/// The place of the segment in a path that is split at its slashes: `/cameras/{format}/{gate_id}/{token}`.
const SEGMENT: usize = 4;
const CAMERAS: &str = "/cameras/";
/// How a token may begin in an address: with its underscore as it is, or percent-encoded.
const BEGINNINGS: [&str; 3] = [Token::PREFIX, "dwell%5f", "dwell%5F"];

/// What a request shows.
#[derive(Debug)]
pub(crate) enum Shown {
    /// No token. The password of a reverse proxy is none.
    Nothing,
    /// A text that counts as a token.
    Token(Secret),
    /// More than one header.
    Several,
}

/// The token of an HTTP request. That of the header wins.
pub(crate) fn of_request(head: &Parts) -> Shown {
    let values = head.headers.get_all(header::AUTHORIZATION).iter().map(|value| value.to_str().ok());
    match of_authorization(values) {
        Shown::Nothing => in_path(head.uri.path()).map_or(Shown::Nothing, Shown::Token),
        shown @ (Shown::Token(_) | Shown::Several) => shown,
    }
}

/// The token of the values of `Authorization`; `None` is a value that is no text.
pub(crate) fn of_authorization<'v>(values: impl IntoIterator<Item = Option<&'v str>>) -> Shown {
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (None, _) => Shown::Nothing,
        (Some(_), Some(_)) => Shown::Several,
        (Some(only), None) => only.and_then(of_value).map_or(Shown::Nothing, Shown::Token),
    }
}

fn of_value(value: &str) -> Option<Secret> {
    let (scheme, rest) = value.trim().split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::new(rest));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    // Any name of a user: some cameras need one.
    let (_, password) = decoded.split_once(':')?;
    password.starts_with(Token::PREFIX).then(|| Secret::new(password))
}

fn in_path(path: &str) -> Option<Secret> {
    let segment = path.starts_with(CAMERAS).then(|| path.split('/').nth(SEGMENT)).flatten()?;
    let segment = percent_decode_str(segment).decode_utf8().ok()?;
    segment.starts_with(Token::PREFIX).then(|| Secret::new(segment))
}

/// What a camera has put behind the path that it was given, without a token at its beginning.
pub(crate) fn without_token(rest: &str) -> &str {
    if !rest.starts_with(Token::PREFIX) {
        return rest;
    }
    rest.split_once('/').map_or("", |(_, rest)| rest)
}

/// An address as it may be shown: `***` is in the place of everything that begins like a token.
pub(crate) fn hidden(address: &str) -> Cow<'_, str> {
    let found = BEGINNINGS.iter().filter_map(|beginning| address.find(beginning)).min();
    let Some(start) = found else { return Cow::Borrowed(address) };
    let (before, rest) = address.split_at(start);
    let end = rest.find(['/', '?', '&', '#', '=', ' ']).unwrap_or(rest.len());
    Cow::Owned(format!("{before}***{}", hidden(&rest[end..])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn token() -> Token {
        Token::from_random(&[7; Token::RANDOM_BYTES])
    }

    fn shown(path: &str, authorization: &[&str]) -> Option<String> {
        let mut request = Request::builder().uri(path);
        for value in authorization {
            request = request.header(header::AUTHORIZATION, *value);
        }
        match of_request(&request.body(()).unwrap().into_parts().0) {
            Shown::Nothing => None,
            Shown::Token(token) => Some(token.expose().to_owned()),
            Shown::Several => Some("several".to_owned()),
        }
    }

    fn basic(user: &str, password: &str) -> String {
        format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
    }

    #[test]
    fn a_token_is_found_in_each_place() {
        let token = token();
        let text = Some(token.expose().to_owned());
        let (bearer, path) = (format!("bearer  {} ", token.expose()), format!("/cameras/axis/in-1/{}", token.expose()));
        assert_eq!(shown("/api/v1/events", &[&bearer]), text);
        for user in ["", "camera", "north gate"] {
            assert_eq!(shown("/DeviceInfo", &[&basic(user, token.expose())]), text, "{user}");
        }
        assert_eq!(shown(&path, &[]), text);
        assert_eq!(shown(&format!("{path}/NotificationInfo/KeepAlive?a=b"), &[]), text);
        assert_eq!(shown(&path.replace("dwell_", "dwell%5F"), &[]), text);
        assert_eq!(shown(&path, &["Digest username=\"x\""]), text);
        assert_eq!(shown(&path, &["Bearer other"]).as_deref(), Some("other"));
    }

    #[test]
    fn what_is_no_token_of_ours_shows_nothing() {
        let token = token();
        for path in
            ["/api/v1/events/TOKEN", "/cameras/axis/TOKEN", "/cameras/axis/in-1/more/TOKEN", "/cameras/axis/in-1/"]
        {
            assert_eq!(shown(&path.replace("TOKEN", token.expose()), &[]), None, "{path}");
        }
        for value in ["", "Bearer", "Basic", "Basic !", &basic("user", "proxy's own"), "Digest x", "Basic dXNlcg=="] {
            assert_eq!(shown("/", &[value]), None, "{value}");
        }
        assert_eq!(shown("/", &["Bearer a", "Bearer a"]).as_deref(), Some("several"));
    }

    #[test]
    fn a_camera_s_own_path_begins_behind_the_token() {
        let token = token();
        assert_eq!(without_token(token.expose()), "");
        assert_eq!(without_token(&format!("{}/a/b", token.expose())), "a/b");
        assert_eq!((without_token("a/dwell_b"), without_token("")), ("a/dwell_b", ""));
    }

    #[test]
    fn no_shown_address_has_a_token() {
        let token = token();
        let encoded = token.expose().replace('_', "%5f");
        let address = format!("/cameras/axis/in-1/{}/x?t={encoded}&u={}", token.expose(), token.expose());
        assert_eq!(hidden(&address), "/cameras/axis/in-1/***/x?t=***&u=***");
        assert_eq!(hidden("/cameras/axis/dwelling"), "/cameras/axis/dwelling");
    }
}
