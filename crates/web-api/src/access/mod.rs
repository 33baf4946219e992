//! Access to the summary API: the principal of each request, and whether it may use the route.
//!
//! [`Authenticator`] finds the principal: by a bearer token, or by the access mode. `routes` lists what each route needs,
//! `layer` refuses the other requests. The crate `access` decides what a token is and what a principal may do; the
//! process that serves reads the tokens file.

mod layer;
mod pass;
mod routes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use access::{Access, Principal, Refused, Scope, TokenHash, Tokens};
use api::{Kind, Problem};
use axum::http::{HeaderMap, header};
use parking::{Clock, Timestamp};
use service_kit::http::Guard;
use settings::{PublicHosts, Redacted};

pub(crate) use layer::layer;
pub use layer::takes_events;
pub(crate) use pass::{Checks, Pass};
pub(crate) use routes::is_for_everyone;

/// The paths of correlators.
const INTERNAL: &str = "/internal/";

/// Finds the principal of a request. Cheap to clone; all clones share the tokens.
#[derive(Debug, Clone)]
pub struct Authenticator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    internal_token: Option<TokenHash>,
    tokens: RwLock<Arc<Tokens>>,
    /// Tokens are compared from the first one on, also once all are revoked: otherwise the last one would then be ignored, and
    /// its sender would have the rights of one without a token.
    compares: AtomicBool,
}

impl Authenticator {
    /// An authenticator with these tokens. `internal_token` is an alias of the token of a correlator.
    pub fn new(access: Access, internal_token: Option<&Redacted>, tokens: Tokens) -> Self {
        let internal_token = internal_token.map(|secret| TokenHash::of(secret.expose()));
        let authenticator = Self(Arc::new(Inner {
            access,
            internal_token,
            tokens: RwLock::default(),
            compares: AtomicBool::new(false),
        }));
        let has_some = tokens.records().next().is_some();
        authenticator.replace_tokens(tokens);
        authenticator.0.compares.store(has_some, Ordering::Release);
        authenticator
    }

    /// The authenticator of an address on loopback, without tokens: every client may do everything.
    pub fn local() -> Self {
        Self::new(Access::Local, None, Tokens::default())
    }

    /// Accepts these tokens instead of the earlier ones; the internal token stays. From now on every token is compared, even if
    /// there is none.
    pub fn replace_tokens(&self, mut tokens: Tokens) {
        self.0.compares.store(true, Ordering::Release);
        if let Some(secret) = self.0.internal_token {
            tokens.add_shared_secret(secret, Principal::correlator());
        }
        *self.0.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }

    fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.0.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a token that a client sends is compared.
    fn has_tokens(&self) -> bool {
        self.0.internal_token.is_some() || self.0.compares.load(Ordering::Acquire)
    }

    /// The principal of a request for this path.
    ///
    /// # Errors
    /// It needs a token, or its token is not accepted.
    pub(crate) fn principal(&self, path: &str, headers: &HeaderMap, now: Timestamp) -> Result<Principal, Problem> {
        match bearer(headers)? {
            Some(shown) if self.has_tokens() => self.of_token(shown, now).map_err(|why| refused(path, why)),
            Some(_) | None => self.without_token(path),
        }
    }

    /// The principal of a token that a client sends.
    fn of_token(&self, shown: &str, now: Timestamp) -> Result<Principal, Refused> {
        self.tokens().authenticate(shown, now)
    }

    fn without_token(&self, path: &str) -> Result<Principal, Problem> {
        if !path.starts_with(INTERNAL) {
            return self.0.access.without_credentials().ok_or_else(|| missing(path));
        }
        // A shared secret that is set is needed on loopback too.
        match self.0.access {
            Access::Local if self.0.internal_token.is_none() => Ok(Principal::local()),
            Access::Open if !self.has_tokens() => Err(Problem::new(
                Kind::Forbidden,
                "/internal/v1 is closed, because this summary API listens beyond loopback without DWELL_INTERNAL_TOKEN: set \
                 one token for it and its correlators",
            )),
            Access::Local | Access::Open | Access::Required | Access::Setup => Err(missing(path)),
        }
    }

    /// The guard of the listener. A correlator with a valid token may use any `Host`.
    pub fn guard(&self, hosts: PublicHosts, is_page: fn(&str) -> bool, clock: Arc<dyn Clock>) -> Guard {
        let authenticator = self.clone();
        let trusts = move |path: &str, headers: &HeaderMap| {
            let shown = bearer(headers).ok().flatten().filter(|_| path.starts_with(INTERNAL));
            let principal = shown.and_then(|shown| authenticator.of_token(shown, clock.now()).ok());
            principal.is_some_and(|principal| principal.may(Scope::Record))
        };
        Guard::new(hosts).with_pages(is_page).trusting(trusts)
    }
}

/// The token of the header `Authorization`; `None` without one, or with another scheme: the password of a reverse proxy
/// is not meant for this service.
///
/// # Errors
/// There is more than one such header.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => {
            Err(Problem::new(Kind::Unauthorized, "there is more than one header Authorization; send one"))
        }
        (Some(only), None) => {
            let parts = only.to_str().ok().and_then(|text| text.trim().split_once(' '));
            let is_bearer = |scheme: &str| scheme.eq_ignore_ascii_case("bearer");
            Ok(parts.filter(|(scheme, _)| is_bearer(scheme)).map(|(_, token)| token.trim()))
        }
    }
}

fn missing(path: &str) -> Problem {
    Problem::new(
        Kind::Unauthorized,
        format!("the header Authorization: Bearer with a token is missing; {}", remedy(path)),
    )
}

fn refused(path: &str, why: Refused) -> Problem {
    Problem::new(Kind::InvalidToken, format!("{why}; {}", remedy(path)))
}

/// What to do. A correlator's operator looks for the name of its setting.
fn remedy(path: &str) -> &'static str {
    if path.starts_with(INTERNAL) {
        "set one DWELL_INTERNAL_TOKEN on both sides, or give the correlator a token with the scope record as DWELL_API_TOKEN"
    } else {
        "the operator of this summary API makes tokens with dwell token create"
    }
}

#[cfg(test)]
mod tests;
