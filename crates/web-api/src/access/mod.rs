//! Access to the summary API: the principal of each request, and whether it may use the route.
//!
//! [`Authenticator`] finds the principal: by a bearer token, by the cookie of a login session, or by the access mode.
//! `routes` lists what each route needs, `layer` refuses the other requests, `cookie` reads and writes the cookie,
//! `login` has the form. The crate `access` decides what a token is and what a principal may do; the service reads the
//! tokens, users and login sessions of the ledger, and the process that serves reads the tokens file.

mod cookie;
mod layer;
mod login;
mod own_page;
mod pass;
mod routes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use access::{Access, Directory, LoginHash, Principal, Refused, Scope, Secret, TokenHash, Tokens};
use api::{Kind, Problem};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use parking::{Clock, Timestamp};
use service_kit::http::Guard;
use sessions::Service;
use settings::{PublicHosts, Redacted};
use tokio::time::Instant;

pub(crate) use layer::layer;
pub(crate) use login::{PATH as LOGIN, ROUTES as LOGIN_ROUTES, routes as login_routes};
pub(crate) use pass::{Checks, Pass};
pub(crate) use routes::is_for_everyone;

/// The paths of correlators.
const INTERNAL: &str = "/internal/";
/// The accounts are read again for an unknown cookie, at most once in this time: another summary API of the ledger may
/// have begun its login session just now.
const LOOK_AGAIN_INTERVAL: Duration = Duration::from_millis(100);

/// Finds the principal of a request. Cheap to clone; all clones share the tokens.
#[derive(Debug, Clone)]
pub struct Authenticator(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    internal_token: Option<TokenHash>,
    /// Those of the tokens file, and the internal token.
    tokens: RwLock<Arc<Tokens>>,
    /// The service that has the accounts of the ledger, once the ledger is open.
    service: OnceLock<Service>,
    /// Tokens are compared from the first one on, also once all are revoked: otherwise the last one would then be ignored, and
    /// its sender would have the rights of one without a token.
    compares: AtomicBool,
    looked_again: Mutex<Option<Instant>>,
}

/// What a request shows to prove who sent it.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    /// Nothing that is compared.
    Nothing,
    /// A bearer token.
    Token(Secret),
    /// The cookie of a login session.
    Login(LoginHash),
}

impl Authenticator {
    /// An authenticator with these tokens. `internal_token` is an alias of the token of a correlator.
    pub fn new(access: Access, internal_token: Option<&Redacted>, tokens: Tokens) -> Self {
        let internal_token = internal_token.map(|secret| TokenHash::of(secret.expose()));
        let authenticator = Self(Arc::new(Inner {
            access,
            internal_token,
            tokens: RwLock::default(),
            service: OnceLock::new(),
            compares: AtomicBool::new(false),
            looked_again: Mutex::default(),
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

    /// Accepts these tokens instead of the earlier ones; the internal token and those of the ledger stay. From now on every
    /// token is compared, even if there is none.
    pub fn replace_tokens(&self, mut tokens: Tokens) {
        self.0.compares.store(true, Ordering::Release);
        if let Some(secret) = self.0.internal_token {
            tokens.add_shared_secret(secret, Principal::correlator());
        }
        *self.0.tokens.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tokens);
    }

    /// Accepts the tokens and login sessions of the ledger too. The first service counts.
    pub(crate) fn attach(&self, service: &Service) {
        self.0.service.get_or_init(|| service.clone());
    }

    /// The tokens of the tokens file, and the internal token.
    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        Arc::clone(&self.0.tokens.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn directory(&self) -> Option<Arc<Directory>> {
        self.0.service.get().map(Service::directory)
    }

    /// Whether a token that a client sends is compared.
    pub fn has_tokens(&self) -> bool {
        self.0.internal_token.is_some() || self.has_client_tokens()
    }

    /// Whether a token was ever made for clients. That of correlators does not count.
    fn has_client_tokens(&self) -> bool {
        let is_in_ledger = || self.directory().is_some_and(|known| known.tokens().records().next().is_some());
        self.0.compares.load(Ordering::Acquire) || is_in_ledger()
    }

    /// Whether it serves loopback alone, and no token was ever made for its clients.
    fn is_local(&self) -> bool {
        self.0.access == Access::Local && !self.has_client_tokens()
    }

    /// The principal of a request, and what proved it.
    ///
    /// # Errors
    /// It needs a token or a login, or its token is not accepted.
    pub(crate) fn principal(&self, head: &Parts, now: Timestamp) -> Result<(Principal, Proof), Problem> {
        let path = head.uri.path();
        if let Some(shown) = bearer(&head.headers)?.filter(|_| self.has_tokens()) {
            let principal = self.of_token(shown, now).map_err(|why| refused(path, why))?;
            return Ok((principal, Proof::Token(Secret::new(shown))));
        }
        // Correlators have no cookies.
        let login = cookie::login(head).filter(|_| !path.starts_with(INTERNAL));
        if let Some((hash, principal)) = login.and_then(|hash| Some((hash, self.of_login(hash, now)?))) {
            return Ok((principal, Proof::Login(hash)));
        }
        Ok((self.without_token(path)?, Proof::Nothing))
    }

    /// The principal of a token that a client sends to another service of this process; none while the ledger is not open
    /// and the token may be one of its tokens.
    pub fn authenticate(&self, shown: &str, now: Timestamp) -> Option<Result<Principal, Refused>> {
        let found = self.of_token(shown, now);
        (found != Err(Refused::Unknown) || self.is_attached()).then_some(found)
    }

    /// Whether the ledger is open, and its tokens are known.
    pub fn is_attached(&self) -> bool {
        self.0.service.get().is_some()
    }

    /// The principal of a token that a client sends.
    fn of_token(&self, shown: &str, now: Timestamp) -> Result<Principal, Refused> {
        match (self.tokens().authenticate(shown, now), self.directory()) {
            (Err(Refused::Unknown), Some(directory)) => directory.tokens().authenticate(shown, now),
            (found, _) => found,
        }
    }

    /// The principal of a login session that holds.
    fn of_login(&self, hash: LoginHash, now: Timestamp) -> Option<Principal> {
        self.directory()?.login(hash, now).map(|(_, principal)| principal.clone())
    }

    /// Reads the accounts again if the request has a cookie that is unknown.
    async fn look_again(&self, head: &Parts, now: Timestamp) {
        let Some(service) = self.0.service.get() else { return };
        let is_unknown = cookie::login(head).is_some_and(|hash| self.of_login(hash, now).is_none());
        if is_unknown && self.may_look_again() {
            // If the ledger can't be read, the cookie stays unknown.
            drop(service.read_accounts().await);
        }
    }

    fn may_look_again(&self) -> bool {
        let mut last = self.0.looked_again.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() >= LOOK_AGAIN_INTERVAL);
        if may {
            *last = Some(Instant::now());
        }
        may
    }

    /// Notes that a login session is in use.
    fn note_use(&self, proof: &Proof, now: Timestamp) {
        if let (Proof::Login(hash), Some(service)) = (proof, self.0.service.get())
            && let Some((login, _)) = service.directory().login(*hash, now)
        {
            service.note_use(login);
        }
    }

    /// Whether a person without a login is sent to the form: where access is required, and somebody may sign in.
    fn sends_to_login(&self, now: Timestamp) -> bool {
        self.0.access == Access::Required
            && self.directory().is_some_and(|directory| directory.credentials(now).has_user)
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

    /// The guard of the listener. A correlator or gateway with a valid token may use any `Host`.
    pub fn guard(&self, hosts: PublicHosts, is_page: fn(&str) -> bool, clock: Arc<dyn Clock>) -> Guard {
        let authenticator = self.clone();
        let trusts = move |path: &str, headers: &HeaderMap| {
            let shown = bearer(headers).ok().flatten().filter(|_| path.starts_with(INTERNAL));
            let principal = shown.and_then(|shown| authenticator.of_token(shown, clock.now()).ok());
            principal.is_some_and(|principal| principal.may(Scope::Record) || principal.may(Scope::Ingest))
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
