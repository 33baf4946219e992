//! Which senders may publish events: the principal of each request and call, by its token or by the access mode.
//!
//! | file | what it does |
//! | --- | --- |
//! | `credentials` | the token that a request has |
//! | `known` | the tokens that are known |
//! | `source`, `api_reader` | reads them from a file, or from the summary API |
//!
//! A token that is known gets in however many others failed at its address: only unknown ones are slowed down. Which
//! lots and gates a principal may report is checked for each event, in `verdict`. The messages of an MQTT broker need no
//! token: the broker decides who publishes there.

mod api_reader;
pub(crate) mod credentials;
mod known;
mod source;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::{Access, Backoff, Lockouts, Principal, Refused, Scope, Secret, Wait};
use parking::Clock;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use credentials::Shown;

pub use known::KnownTokens;
#[cfg(test)]
pub(crate) use known::TokenList;
pub use source::Config;

/// Addresses whose wrong tokens are remembered.
pub(crate) const ADDRESSES_MAX: usize = 10_000;
/// The interval at which a stream compares its token with the known ones.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Decides which senders get in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Entrance(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    access: Access,
    tokens: Option<Arc<dyn KnownTokens>>,
    clock: Arc<dyn Clock>,
    wrong: Mutex<Lockouts<IpAddr>>,
}

/// Why a sender does not get in. The text has nothing of what it has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TurnedAway {
    /// Nobody gets in while the access is being set up.
    SetUp,
    /// It shows no token.
    Missing,
    /// It shows several.
    Several,
    /// Its token is not accepted.
    Refused(Refused),
    /// Too many tokens of its address were not accepted.
    Slowed(Wait),
    /// No list of tokens has been read yet.
    NotReady,
    /// Its token lacks the scope.
    Scope,
}

impl TurnedAway {
    /// Every reason, as in the metric.
    pub(crate) const REASONS: [&'static str; 7] =
        ["set_up", "missing", "several", "refused", "slowed", "not_ready", "scope"];

    pub(crate) fn reason(&self) -> &'static str {
        let place = match self {
            Self::SetUp => 0,
            Self::Missing => 1,
            Self::Several => 2,
            Self::Refused(_) => 3,
            Self::Slowed(_) => 4,
            Self::NotReady => 5,
            Self::Scope => 6,
        };
        Self::REASONS[place]
    }
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const REMEDY: &str = "the operator makes tokens with dwell token create --scopes ingest";
        match self {
            Self::SetUp => formatter.write_str("no events are taken while the access is being set up"),
            Self::Missing => write!(
                formatter,
                "a token is missing: send the header Authorization: Bearer with a token, or Basic with the token as the \
                 password; {REMEDY}"
            ),
            Self::Several => formatter.write_str("there is more than one header Authorization; send one"),
            Self::Refused(why) => write!(formatter, "{why}; {REMEDY}"),
            Self::Slowed(wait) => {
                write!(formatter, "too many wrong tokens came from this address; try again in {} s", wait.seconds)
            }
            Self::NotReady => formatter.write_str("the list of tokens has not been read yet; send again later"),
            Self::Scope => write!(formatter, "this needs a token with the scope {}", Scope::Ingest),
        }
    }
}

impl Entrance {
    /// An entrance in this mode. Without `tokens` a token that is sent is not compared.
    pub fn new(access: Access, tokens: Option<Arc<dyn KnownTokens>>, clock: Arc<dyn Clock>) -> Self {
        let wrong = Mutex::new(Lockouts::new(Backoff::ADDRESS, ADDRESSES_MAX));
        Self(Arc::new(Inner { access, tokens, clock, wrong }))
    }

    /// The entrance of ports on loopback without tokens: every sender may report everything.
    pub fn local(clock: Arc<dyn Clock>) -> Self {
        Self::new(Access::Local, None, clock)
    }

    /// Whether it can decide: where tokens are required, a list of them has been read.
    pub(crate) fn is_ready(&self) -> bool {
        self.0.access != Access::Required || self.0.tokens.as_ref().is_some_and(|tokens| tokens.is_read())
    }

    /// The pass of a sender at this address.
    ///
    /// # Errors
    /// Why it does not get in.
    pub(crate) fn admit(&self, shown: Shown, from: IpAddr) -> Result<Pass, TurnedAway> {
        let access = self.0.access;
        if access == Access::Setup {
            return Err(TurnedAway::SetUp);
        }
        let compares = access == Access::Required || self.0.tokens.as_ref().is_some_and(|tokens| tokens.is_compared());
        let (principal, shown) = match shown {
            Shown::Several => return Err(TurnedAway::Several),
            Shown::Token(token) if compares => (self.of_token(&token, from)?, Some(token)),
            Shown::Token(_) | Shown::Nothing => (access.without_credentials().ok_or(TurnedAway::Missing)?, None),
        };
        principal.require(Scope::Ingest).map_err(|_| TurnedAway::Scope)?;
        Ok(Pass { entrance: self.clone(), principal, shown })
    }

    fn of_token(&self, token: &Secret, from: IpAddr) -> Result<Principal, TurnedAway> {
        let now = self.0.clock.now();
        let why = match self.authenticate(token).ok_or(TurnedAway::NotReady)? {
            Ok(principal) => return Ok(principal),
            Err(why) => why,
        };
        let begun = self.0.wrong.lock().unwrap_or_else(PoisonError::into_inner).begin(&from, now);
        Err(begun.map_or_else(TurnedAway::Slowed, |()| TurnedAway::Refused(why)))
    }

    fn authenticate(&self, token: &Secret) -> Option<Result<Principal, Refused>> {
        self.0.tokens.as_ref()?.authenticate(token.expose(), self.0.clock.now())
    }
}

/// A sender that got in. An extension of its request.
#[derive(Debug, Clone)]
pub(crate) struct Pass {
    entrance: Entrance,
    principal: Principal,
    shown: Option<Secret>,
}

impl Pass {
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether it would get in again, with the same rights.
    fn holds(&self) -> bool {
        let Some(shown) = &self.shown else { return true };
        let found = self.entrance.authenticate(shown);
        found.and_then(Result::ok).is_some_and(|principal| principal == self.principal)
    }

    /// Checks the pass twice a second, for a stream.
    pub(crate) fn checks(self) -> Checks {
        let mut interval = tokio::time::interval_at(Instant::now() + CHECK_INTERVAL, CHECK_INTERVAL);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Checks { pass: self, interval }
    }
}

/// The checks of one pass.
#[derive(Debug)]
pub(crate) struct Checks {
    pass: Pass,
    interval: Interval,
}

impl Checks {
    pub(crate) fn principal(&self) -> &Principal {
        self.pass.principal()
    }

    /// Returns when the pass has ended. May be cancelled and called again.
    pub(crate) async fn ended(&mut self) {
        loop {
            self.interval.tick().await;
            if !self.pass.holds() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
