//! Access to `/internal/v1`: open on loopback, with the shared secret, or closed.
//!
//! The public routes need no secret. [`problem`](api::problem) renders refusals.

use api::{Kind, Problem};
use axum::http::{HeaderMap, header};
use service_kit::http::Guard;
use settings::{PublicHosts, Redacted};
use subtle::ConstantTimeEq;

/// The access to `/internal/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Does not check: only for a loopback address.
    Open,
    /// Requires this secret as a bearer token.
    Token(Redacted),
    /// Refuses all requests: other machines reach the address, and there is no secret.
    Closed,
}

impl Access {
    /// Checks the headers of a request.
    ///
    /// # Errors
    /// The request is refused; the problem states why, and the setting to change.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        match self {
            Self::Open => Ok(()),
            Self::Closed => Err(Problem::new(
                Kind::Forbidden,
                "/internal/v1 is closed, because this summary API listens beyond loopback without DWELL_INTERNAL_TOKEN: set \
                 one token for it and its correlators",
            )),
            Self::Token(expected) => match bearer(headers) {
                Some(shown) if bool::from(shown.as_bytes().ct_eq(expected.expose().as_bytes())) => Ok(()),
                Some(_) => Err(Problem::new(
                    Kind::Unauthorized,
                    "the bearer token is not the DWELL_INTERNAL_TOKEN of this summary API: set one token on both sides",
                )),
                None => Err(Problem::new(
                    Kind::Unauthorized,
                    "the header Authorization: Bearer is missing: set one DWELL_INTERNAL_TOKEN on both sides",
                )),
            },
        }
    }
}

impl Access {
    /// The guard of the listener. A correlator with the secret may use any `Host`.
    pub fn guard(self, hosts: PublicHosts, is_page: fn(&str) -> bool) -> Guard {
        let trusts = move |path: &str, headers: &HeaderMap| {
            path.starts_with("/internal/") && matches!(self, Self::Token(_)) && self.check(headers).is_ok()
        };
        Guard::new(hosts).with_pages(is_page).trusting(trusts)
    }
}

/// The token of the one `Authorization: Bearer` header; none when there are several.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(only), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn passes(access: &Access, authorization: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        access.check(&headers).is_ok()
    }

    #[test]
    fn only_the_whole_token_passes() {
        let access = Access::Token(Redacted::secret(TOKEN));
        assert!(passes(&access, &["Bearer 0123456789abcdef"]));
        assert!(passes(&access, &["bearer 0123456789abcdef"]));
        for wrong in
            ["", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdeff", "Basic 0123456789abcdef"]
        {
            assert!(!passes(&access, &[wrong]), "{wrong:?} passed");
        }
        assert!(!passes(&access, &[]));
        assert!(!passes(&access, &["Bearer 0123456789abcdef", "Bearer 0123456789abcdef"]));
    }

    #[test]
    fn without_a_token_loopback_is_open_and_everything_else_closed() {
        assert!(passes(&Access::Open, &[]));
        assert!(!passes(&Access::Closed, &[]));
        assert!(!passes(&Access::Closed, &["Bearer "]));
    }
}
